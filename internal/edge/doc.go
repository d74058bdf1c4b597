// Package edge is the rim between the network and the rest of Keyward.
//
// It decides who a request comes from (the real client address, never one a
// stranger wrote into a header), gives it an id people can read out over the
// phone, bounds what it may cost (size, time, rate), and is the only place
// where an error becomes an answer: one table maps codes to RFC 9457 problems.
// It owns the cookies' names and attributes, the security headers, the access
// log without secrets and the metrics.
//
// It never decides whether somebody is signed in or may do a thing, never
// touches the database, and never lets the cause of an error reach a client.
package edge
