// Package e2etest starts the real keyward for tests that look at it from outside, and
// seats people at browsers (e2e/person) who fail the test when a page complains.
package e2etest
