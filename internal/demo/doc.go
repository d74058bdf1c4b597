// Package demo is what `keyward demo` adds to the server it runs: a persona with
// a software passkey, the mail catcher's pages, the stage with owner and thief,
// and the tour that plays the whole story over HTTP.
//
// It stands beside the floors: only cmd imports it, and it is the only package
// of the binary that reaches softkey. It uses the server as anybody outside
// would, over HTTP, except for the persona's sign-in button. It never runs
// beside real accounts: `keyward serve` cannot reach it.
package demo
