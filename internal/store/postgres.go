package store

import (
	"context"
	"errors"
)

func openPostgres(context.Context, string, Options) (engine, error) {
	return nil, errors.New("store: PostgreSQL comes with the next commit")
}

func postgresMigrator(string, Options) (migrator, error) {
	return nil, errors.New("store: PostgreSQL comes with the next commit")
}
