// Package storetest gives tests a real, migrated database: [Each] runs one test
// over SQLite and over PostgreSQL.
//
// PostgreSQL comes from TEST_POSTGRES_URL, or else from an initdb on this
// machine. From the latter storetest makes one cluster in the temporary folder,
// without a network port and without fsync, which all test processes of the
// user share. A keeper process, which is the test binary started once more,
// owns the cluster and removes it when no test process has used it for a while.
// Test processes hold a file lock while they live, so that a killed one is
// missed as well.
//
// Where no PostgreSQL is found its tests are skipped and say why;
// KEYWARD_TEST_REQUIRE_ALL=1 makes them fail instead.
//
// It never fakes a database, and no program imports it.
package storetest
