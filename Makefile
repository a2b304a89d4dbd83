.PHONY: test race lint fuzz mutants ci example

test: # the tests of the root module
	go test ./...

race: # the tests of every module, under the race detector
	.ci/run race

lint: # gofmt, vet, staticcheck, go mod tidy
	.ci/run lint

fuzz: # every fuzz target, a minute each
	FUZZTIME=1m .ci/run fuzz

mutants: # each check taken away in turn must make a test fail; some 15 minutes
	go run ./internal/mutants

ci: # everything a change must pass
	.ci/run

example: # the example on an in-memory Stytch
	go run ./example
