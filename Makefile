.PHONY: test race lint fuzz soak flood mutants bench load ci example

test: # the tests of the root module
	go test ./...

race: # the tests of every module, under the race detector
	.ci/run race

lint: # gofmt, vet, staticcheck, go mod tidy
	.ci/run lint

fuzz: # every fuzz target, for about a minute each
	FUZZTIME=1000000x .ci/run fuzz

soak: # ten simulated minutes of faults; SOAK_SEED=n repeats a run
	SOAK=$${SOAK:-10m} go test -count=1 -v -run TestSoak ./internal/outagetest

flood: # a million invented tokens and a million forged JWTs while users work; about three minutes on a quiet machine
	FLOOD=$${FLOOD:-1000000} go test -tags slow -count=1 -v -run TestFlood ./internal/attacktest

bench: # the benchmark beside other middleware; writes docs/performance.md
	cd bench && go run -tags jwx_goccy .

load: # an HTTP server under load; writes docs/performance.md
	cd bench && go run -tags jwx_goccy ./load

mutants: # each check taken away in turn must make a test fail; some 15 minutes
	go run ./internal/mutants

ci: # everything a change must pass
	.ci/run

example: # the example on an in-memory Stytch
	go run ./example
