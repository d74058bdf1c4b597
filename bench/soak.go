package main

import "context"

// soakParts are the long figures: ten million sessions in place of one.
var soakParts = []part{
	{"refresh-sqlite", (*bench).refreshSQLite},
	{"refresh-postgres", (*bench).refreshPostgres},
	{"kills", (*bench).kills},
}

func (b *bench) kills(ctx context.Context) error { return nil }
