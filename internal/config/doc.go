// Package config reads keyward.yaml into one struct that the rest of the
// program can trust.
//
// It is strict on purpose: a key it does not know, a value it would have to
// guess at, two settings that contradict each other and a setting that would
// quietly weaken the server are refused, each with file and line, what is
// wrong, why it matters and what to write instead. Defaults are filled in at
// one place (defaults.go), rules are checked at one place (check.go), and every
// key is explained in keyward.example.yaml, which a test holds against the
// struct.
//
// The environment overrides the file: KEYWARD_DATABASE_URL is database.url.
// Secrets may come from a file, KEYWARD_DATABASE_URL_FILE or database.url_file.
//
// It opens no socket and no database, and it never prints a secret.
package config
