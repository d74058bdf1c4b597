package api

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"keyward/internal/edge"
)

// Problem is the form of every refusal, for the document: edge writes them
// (RFC 9457).
type Problem struct {
	Type      string       `json:"type" format:"uri" doc:"Page about this code."`
	Title     string       `json:"title" doc:"What happened, in the language of the request."`
	Status    int          `json:"status"`
	Detail    string       `json:"detail" doc:"What it means and the quickest way on."`
	Code      string       `json:"code" doc:"Never renamed: decide by this." example:"session_ended"`
	Docs      string       `json:"docs" format:"uri" doc:"Chapter that explains the way out."`
	RequestID string       `json:"request_id,omitempty" doc:"Tell it to support." example:"8F3K-21XQ"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"The parts of the request that were refused."`
	Until     *time.Time   `json:"until,omitempty" doc:"With key_too_new and held: when that is over."`
	Keys      []string     `json:"keys,omitempty" nullable:"false" doc:"With key_too_new and key_grade_low: ids of the account's keys whose touch would do now."`
	Purpose   *Purpose     `json:"purpose,omitempty" doc:"With step_up_required: begin POST /api/v1/step-up with exactly this."`
	URL       string       `json:"url,omitempty" doc:"With step_up_required: where a browser does the same."`
	Needs     []string     `json:"needs,omitempty" nullable:"false" doc:"Powers the back end was not given."`

	_ struct{} `additionalProperties:"true"`
}

// FieldError points into what was sent.
type FieldError struct {
	Pointer string `json:"pointer,omitempty" doc:"JSON pointer into the body, or the name of a header or parameter."`
	Detail  string `json:"detail"`
}

// Purpose is what a touch is for.
type Purpose struct {
	Act    string `json:"act"`
	Object string `json:"object"`
}

const about = `Everything the account pages do, for programs.

**Account holders' apps** make a key pair (ES256 or EdDSA) and send a DPoP proof (RFC 9449) with every request; sign-in binds the session to that key, and its tokens are worth nothing without it. Every answer carries the next nonce in "DPoP-Nonce".

**Back ends of the exchange** send HTTP Basic and have the powers that the configuration lists.

Refusals are RFC 9457 problems. Decide by "code"; codes are never renamed. Unknown fields, query parameters and repeated names are refused, never ignored. Times are RFC 3339 in UTC. Any operation may also be refused with the codes under "default".`

// description is the head of the document and how bodies are written.
func (s *Server) description() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			Info:    &huma.Info{Title: "Keyward", Version: "1", Description: about},
			Servers: []*huma.Server{{URL: s.set.PublicURL}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"dpop":    {Type: "http", Scheme: "DPoP", Description: "\"Authorization: DPoP kwa_…\" and a proof with ath and our nonce in the header \"DPoP\" (RFC 9449 §7)."},
					"backend": {Type: "http", Scheme: "basic", Description: "Client id and secret of a back end (RFC 7617)."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "door", Description: "Sign up, sign in, stay signed in."},
				{Name: "session", Description: "Who am I, step-up, sign out."},
				{Name: "passkeys"}, {Name: "devices"}, {Name: "joins", Description: "A new device comes in by a code: docs/new-device.md."}, {Name: "sessions"}, {Name: "keys", Description: "API keys of the account's bots."}, {Name: "subaccounts", Description: "Parts of the account with keys and limits of their own."}, {Name: "approvals", Description: "Withdrawals that wait for the owner: docs/confirm.md."}, {Name: "codes"}, {Name: "contacts"}, {Name: "activity"},
				{Name: "freeze"}, {Name: "leaks", Description: "For whoever found a key of somebody: docs/leaks.md."},
				{Name: "intents", Description: "For back ends: withdrawals that an owner is asked to approve."},
				{Name: "accounts", Description: "For back ends: accounts under the exchange's own ids."},
			},
		},
		// "json" stands for whatever ends in +json: huma believes to write problems.
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{catch},
	}
}

// common may answer any operation.
const common = "bad_request unknown_field nul_in_text unsupported_media_type body_too_large cross_site_request rate_limited busy unavailable internal"

// ofAccess are the refusals that belong to who may call.
var ofAccess = map[access]string{
	offering: "proof_invalid use_dpop_nonce",
	binding:  "proof_missing proof_invalid use_dpop_nonce proof_replayed",
	holder:   "not_signed_in access_expired session_ended proof_missing proof_invalid use_dpop_nonce proof_replayed",
	backend:  "client_unauthenticated",
}

// describe adds to the document what the gate does: credentials, proof header,
// and every refusal by its code.
func (s *Server) describe(doc *huma.Operation, op operation) {
	proofHeader := func(required bool) {
		doc.Parameters = append(doc.Parameters, &huma.Param{
			Name: "DPoP", In: "header", Required: required, Schema: &huma.Schema{Type: huma.TypeString},
			Description: "Proof of the app's key for this request, with the nonce of the last \"DPoP-Nonce\" (RFC 9449 §4.2).",
		})
	}
	switch op.access {
	case offering:
		proofHeader(false)
	case binding:
		proofHeader(true)
	case holder:
		doc.Security = []map[string][]string{{"dpop": {}}}
		proofHeader(true)
	case backend:
		doc.Security = []map[string][]string{{"backend": {}}}
		if op.power != "" {
			doc.Description = strings.TrimSpace(doc.Description + "\n\nNeeds the power \"" + op.power + "\".")
		}
	}
	codes := strings.Fields(ofAccess[op.access] + " " + op.codes)
	if op.once {
		// Required here and not in the input type: without it the refusal has a code
		// of its own.
		doc.Parameters = append(doc.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A value of your own, new for each act, at most 255 bytes. A retry with it gets the first answer for 24 hours.",
		})
		codes = append(codes, strings.Fields(onceCodes)...)
	}
	if op.access == backend {
		codes = append(codes, errNoPower.Code)
	}
	if slices.Contains(codes, "step_up_required") {
		codes = append(codes, strings.Fields(powerCodes)...)
	}
	doc.Extensions = map[string]any{"x-problem-codes": unique(codes)}
	doc.Responses = s.problems(codes)
}

// powerCodes: what a touch may be refused for because of its key, where it is begun, given
// and used alike.
const powerCodes = "key_too_new key_grade_low"

// problems groups codes under their statuses.
func (s *Server) problems(codes []string) map[string]*huma.Response {
	out := map[string]*huma.Response{}
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	add := func(key, text string) {
		r := out[key]
		if r == nil {
			r = &huma.Response{Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
			out[key] = r
		} else {
			r.Description += "; "
		}
		r.Description += text
	}
	known := map[string]edge.Code{}
	for _, c := range edge.Codes("en") {
		known[c.Code] = c
	}
	for _, code := range unique(codes) {
		c, ok := known[code]
		if !ok {
			panic("api: " + code + " is not in the problem table") // at start: a mistake of the programmer
		}
		add(strconv.Itoa(c.Status), "`"+code+"`: "+c.Title)
	}
	for _, code := range strings.Fields(common) {
		add("default", "`"+code+"`: "+known[code].Title)
	}
	return out
}

func unique(codes []string) []string {
	codes = slices.Clone(codes)
	slices.Sort(codes)
	return slices.Compact(codes)
}

// forgetErrorModel takes huma's own error form out of the document: nothing of
// ours refers to it and no client ever sees it.
func forgetErrorModel(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
}
