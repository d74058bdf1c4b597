// Package gate owns the way of a signed request to an upstream: which right a route
// takes, what reaches the verifier and what the upstream is told. It stands in front as
// a proxy, or beside another front that asks it: nginx, Caddy and Traefik (forward-auth),
// Envoy (ext_authz, over gRPC and HTTP).
//
// It never decides about a key (apikey does), never passes on a header that speaks in
// our name, and never changes a byte of what was signed.
package gate
