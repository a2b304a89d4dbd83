package sessionauth_test

// The names by which the outage suites use the environment.
type stage = env

var newStage = newEnv
