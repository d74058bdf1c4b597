// Package exchange is a demo exchange that lets Keyward say who is signed in. It
// imports nothing of Keyward: everything it knows it learns over HTTP, as an
// exchange's own engineers would write it.
//
// It keeps its own cookie on its own host, learns the account by redeeming a
// one-time code with its back-end credentials and a secret that it gave the browser
// before it sent it away, and asks for each page whether
// that session still lives, so that "end this session" at Keyward is refused
// here at once.
package exchange
