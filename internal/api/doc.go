// Package api owns the JSON API under /api/v1 and its description at
// /api/openapi.json: HTTP in, JSON out, for apps of account holders and for the
// back ends of the exchange.
//
// It reads requests strictly, finds out who speaks, asks the domains and writes
// down what they say. It holds no rule: what somebody may do is decided by
// signin, contain, session and device, exactly as for the pages. It runs no SQL.
//
// # One operation, one declaration
//
// [add] puts an operation on the mux and into the document from the same Go
// types, so the two cannot part. Around each handler stands one gate
// (operation.go): rate limit, caller, strict body, in this order. Refusals leave
// through edge.Fail alone; huma's own error form never reaches a client.
//
// # Who speaks
//
// An account holder sends "Authorization: DPoP kwa_…" and a proof of the key that
// the session is bound to, one per request, with our nonce (RFC 9449 §7, §8). A
// token without its proof is refused, whatever scheme it is sent with. A back end
// sends HTTP Basic and has the powers its configuration lists, none of which
// implies another.
package api
