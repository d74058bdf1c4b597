package keyward_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"keyward/internal/edge"
)

var update = flag.Bool("update", false, "write docs/errors.md from the table of codes")

const errorsHead = `# Errors

Made from the table in ` + "`internal/edge/codes.go`" + ` by ` + "`go test . -run ErrorPage -update`" + `; do not edit. A refusal is an RFC 9457 problem with ` + "`type`, `title`,\n`status`, `detail`, `code`, `docs`" + ` and ` + "`request_id`" + `. Decide by ` + "`code`" + `: codes are never renamed and never get a second meaning. Texts come in English
and Korean and may be improved. ` + "`docs`" + ` leads to one of the chapters below.
`

// chapters in the order in which people meet them, with the question each answers.
var chapters = []struct{ anchor, title string }{
	{"request", "The request itself"},
	{"limits", "Limits, and trouble on our side"},
	{"sign-in", "Signing in"},
	{"sessions", "Sessions"},
	{"rotation", "Refresh tokens"},
	{"proofs", "Proofs of the device's key"},
	{"step-up", "Acts that need a touch"},
	{"accounts", "Accounts"},
	{"keys", "Passkeys and devices"},
	{"new-device", "A new device"},
	{"money", "Withdrawals"},
	{"links", "Links in mails"},
	{"operators", "Operators"},
	{"clients", "Back ends"},
	{"botkeys", "API keys"},
	{"apps", "Apps and their access"},
	{"idempotency", "Idempotency keys"},
}

func TestErrorPageIsTheTableOfCodes(t *testing.T) {
	by := map[string][]edge.Code{}
	for _, c := range edge.Codes("en") {
		by[c.Anchor] = append(by[c.Anchor], c)
	}
	var b strings.Builder
	b.WriteString(errorsHead)
	for _, ch := range chapters {
		fmt.Fprintf(&b, "\n<a id=%q></a>\n\n## %s\n", ch.anchor, ch.title)
		for _, c := range by[ch.anchor] {
			fmt.Fprintf(&b, "\n### `%s`\n\n%d %s. **%s.** %s\n", c.Code, c.Status, http.StatusText(c.Status), c.Title, c.Detail)
		}
		delete(by, ch.anchor)
	}
	for anchor, codes := range by {
		t.Errorf("the chapter %q of %s is not on the page: name it in errors_test.go", anchor, codes[0].Code)
	}
	const page = "docs/errors.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not what the table says: go test . -run ErrorPage -update", page)
	}
}
