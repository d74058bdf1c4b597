// Package storetest gives tests a real, migrated database: [Each] runs one test
// over SQLite and over PostgreSQL.
//
// It never fakes a database, and no program imports it.
package storetest
