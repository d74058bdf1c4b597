package web

// Errors explains every code of the problem table. A problem's "type" leads to
// the code, its "docs" to the chapter.
//
//	GET /docs/errors
type Errors struct {
	Base
	Chapters []ErrorChapter
}

func (*Errors) page() (string, string) { return "errors", "" }

// ErrorChapter is what belongs together. ID is its anchor.
type ErrorChapter struct {
	ID    string
	Title Text
	Codes []ErrorCode
}

// ErrorCode is one refusal; the code is its anchor.
type ErrorCode struct {
	Code          string
	Status        int
	Title, Detail string
}

// errorChapters in the order in which people meet them.
var errorChapters = []ErrorChapter{
	{ID: "request", Title: text("errors.request")},
	{ID: "limits", Title: text("errors.limits")},
	{ID: "sign-in", Title: text("errors.sign-in")},
	{ID: "sessions", Title: text("errors.sessions")},
	{ID: "rotation", Title: text("errors.rotation")},
	{ID: "proofs", Title: text("errors.proofs")},
	{ID: "step-up", Title: text("errors.step-up")},
	{ID: "accounts", Title: text("errors.accounts")},
	{ID: "keys", Title: text("errors.keys")},
	{ID: "new-device", Title: text("errors.new-device")},
	{ID: "money", Title: text("errors.money")},
	{ID: "links", Title: text("errors.links")},
	{ID: "operators", Title: text("errors.operators")},
	{ID: "clients", Title: text("errors.clients")},
	{ID: "apps", Title: text("errors.apps")},
	{ID: "botkeys", Title: text("errors.botkeys")},
	{ID: "idempotency", Title: text("errors.idempotency")},
}
