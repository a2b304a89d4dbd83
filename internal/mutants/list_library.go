package main

// Mutants of the packages beside the root package and the verifier.
var libraryMutants = []mutant{
	// Sign-in.
	{"a step-up by another user", "login Handlers.stepUp", never("UserID"), "./login"},
	{"the origin of a sign-in", "login Handlers.checkRequest", call("CheckOrigin", "nil"), "./login"},
	{"backslashes in return_to", "login localPath", never(`'\\'`), "./login"},
	{"encoded backslashes in return_to", "login namesHost", call("ReplaceAll", "$1"), "./login"},
	{"hosts in return_to", "login localPath", dropOr(`"//"`, "HasPrefix"), "./login"},
	{"dot segments in return_to", "login namesHost", dropOr("len"), "./login"},
	{"encoded control characters in return_to", "login localPath", dropOr("u.Path", "isControl"), "./login"},
	{"the return_to of a form", "login input.set", call("localPath", "$1"), "./login"},
	{"the return_to of a page", "login ReturnTo", call("localPath", "$1"), "./login"},
	{"the return_to of a redirect", "login requestedPath", call("localPath", "$1"), "./login"},
	{"AfterLogout", "login New", never("localPath"), "./login"},
	{"redirects of the sign-in page", "login RedirectTo", never("before"), "./login"},
	{"the duration of a sign-in", "login Handlers.answer", never("waitEvenly"), "./login"},
	{"the duration of a sign-in after a slow body", "login Handlers.answer", both(statement("began := time.Now(); $0", "noStore"), drop("began")), "./login"},
	{"a step-up of another session", "login Handlers.stepUp", dropOr("Session.ID"), "./login"},
	{"what is cached before a step-up", "login Handlers.stepUp", drop("Forget"), "./login"},
	{"the session of another password", "login Handlers.stepUp", drop("discard"), "./login"},
	{"the sessions of a browser that signs in", "login Handlers.Login", drop("endOld"), "./login"},
	{"the session of a sign-in that fails", "login Handlers.Login", drop("discard"), "./login"},
	{"the method of a sign-in", "login Handlers.checkRequest", never("MethodPost"), "./login"},
	{"repeated fields of a form", "login parseForm", dropOr("len"), "./login"},
	{"encoded slashes in return_to", "login namesHost", dropOr(`"//"`), "./login"},

	// The client.
	{"ids in an answer", "stytch checkSession", never("ID", `""`), "./stytch"},
	{"users in an answer", "stytch checkSession", never("ID", "UserID"), "./stytch"},
	{"the verdict", "stytch Client.AuthenticateSession", never("Verdict"), "./stytch"},
	{"strict JSON of an answer", "stytch Client.call", never("CheckAnswer"), "./stytch"},
	{"the size of an answer", "stytch Client.exchange", never("limit"), "./stytch"},
	{"plain http to other hosts", "stytch baseURL", dropOr("isLoopback"), ". ./stytch"},

	// Guards.
	{"the guard's refusal", "guard guard", never("err", "!="), "./guard"},
}
