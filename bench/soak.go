package main

// soakParts are the long figures: ten million sessions in place of one million,
// longer runs, and a server that is killed again and again.
var soakParts = []part{
	{"refresh-sqlite", (*bench).refreshSQLite},
	{"refresh-postgres", (*bench).refreshPostgres},
	{"gate-keys", (*bench).manyKeys},
	{"evidence-keys", (*bench).manyJudged},
	{"audit", (*bench).auditLog},
	{"kills-sqlite", (*bench).killsSQLite},
	{"kills-postgres", (*bench).killsPostgres},
}

// long turns a run into a soak.
func (b *bench) long() {
	b.many, b.grown = longRows, 0.5
	b.span = 2 * b.span
	b.events = 3_000_000
}
