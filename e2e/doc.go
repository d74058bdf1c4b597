// Package e2e holds the tests that use Keyward as its people do: the real binary,
// a real Chromium with a virtual authenticator, real nginx, kill -9.
package e2e
