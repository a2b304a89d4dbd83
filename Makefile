.PHONY: test race lint ci example

test: # the tests of the root module
	go test ./...

race: # the tests of every module, under the race detector
	.ci/run race

lint: # gofmt, vet, staticcheck, go mod tidy
	.ci/run lint

ci: # everything a change must pass
	.ci/run

example: # the example on an in-memory Stytch
	go run ./example
