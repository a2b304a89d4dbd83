.PHONY: test race lint slow fuzz soak flood mutants picture bench load ci example

test: # the tests of the root module
	go test ./...

race: # the tests of every module with the race detector, then make slow
	.ci/run race

lint: # gofmt, vet, staticcheck, go mod tidy and the architecture checks
	.ci/run lint

slow: # the tests of the root module with the slow ones, and their coverage
	.ci/run slow

fuzz: # every fuzz target for about a minute
	FUZZTIME=1000000x .ci/run fuzz

soak: # ten simulated minutes of faults; SOAK_SEED=n repeats a run
	SOAK=$${SOAK:-10m} go test -tags slow -count=1 -v -run Soak . ./internal/...

flood: # a million invented tokens and a million forged JWTs while users work; about three minutes
	FLOOD=$${FLOOD:-1000000} go test -tags slow -count=1 -v -run Flood ./internal/attacktest

mutants: # remove each check in turn; a test must fail each time; about 15 minutes
	go run ./internal/mutants

picture: # draw docs/architecture.svg and docs/architecture-dark.svg from the code
	go run ./internal/archtest/draw

bench: # the benchmark with other middleware; writes docs/performance.md
	cd bench && go run -tags jwx_goccy .

load: # an HTTP server under load; writes docs/performance.md
	cd bench && go run -tags jwx_goccy ./load

ci: # everything that a change must pass
	.ci/run

example: # the example with an in-memory Stytch
	go run ./example
