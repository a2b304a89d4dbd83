package main

// Mutants of the packages beside the root package and the verifier.
var libraryMutants = []mutant{
	// Sign-in.
	{"a step-up by another user", "login Handlers.stepUp", never("UserID"), "./login"},
	{"the origin of a sign-in", "login Handlers.checkRequest", call("CheckOrigin", "nil"), "./login"},
	{"backslashes in return_to", "login isMisread", dropOr(`'\\'`), "./login"},
	{"hosts in return_to", "login localPath", dropOr(`"//"`, "HasPrefix"), "./login"},
	{"two slashes in return_to", "login localPath", dropOr(`"//"`, "Contains"), "./login"},

	// The client.
	{"ids in an answer", "stytch checkSession", never("ID", `""`), "./stytch"},
	{"users in an answer", "stytch checkSession", never("ID", "UserID"), "./stytch"},
	{"the verdict", "stytch Client.AuthenticateSession", never("Verdict"), "./stytch"},
	{"strict JSON of an answer", "stytch Client.call", never("CheckAnswer"), "./stytch"},
	{"the size of an answer", "stytch Client.exchange", never("limit"), "./stytch"},
	{"plain http to other hosts", "stytch baseURL", dropOr("isLoopback"), ". ./stytch"},

	// Guards.
	{"the guard's refusal", "guard guard", never("err"), "./guard"},
}
