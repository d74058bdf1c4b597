// Package modules runs the pages' scripts (internal/web/static) in a real browser against a server of this package that plays
// the endpoints: tabs that wake together, answers that get lost, forms sent after the session ran out, ceremonies that are
// cancelled. What the real server decides is tested in e2e; here is tested what the scripts do with any answer.
package modules
