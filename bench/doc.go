// Command bench measures what Keyward does with one machine, each figure beside
// the limit that the machine itself sets, in the same run: an empty net/http
// handler, a bare durable commit, a bare signature check. Ratios travel from one
// machine to another, absolute figures do not.
//
//	go run ./bench          the tables (make bench), about a quarter of an hour on two cores
//	go run ./bench -soak    the long figures (make soak)
//	go run ./bench -only refresh-sqlite -rounds 1
//
// A ratio is the median over rounds; in each round the limit and ours are
// measured one after the other, by the same load client with headers of the same
// size. A figure under its bar is printed as MISS and repeated at the end as not
// yet reached. The exit code says whether measuring worked, not whether the bars
// were met: a busy machine must not fail a build.
//
// Everything it starts (the real binary, a PostgreSQL cluster, one child of its
// own) listens on the loopback or on a socket in a temporary folder and goes when
// it ends. It owns no rule and no table: it loads rows in bulk where signing up a
// million people one by one would take hours, and speaks HTTP from then on.
// docs/performance.md says what each figure means.
package main
