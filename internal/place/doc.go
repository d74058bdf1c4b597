// Package place owns the words for where an address probably is: "Seoul, South Korea".
//
// The words come from a file in MaxMind DB format that the operator brings ([Open]); Keyward brings none. The file is
// read into memory once, so a question ([File.Locate]) opens, waits for and asks nothing, and whatever happens to the
// file on disk while we run cannot reach us.
//
// A place is a hint for people, who know where they were. Networks move, phones leave through other countries, and
// whoever wants to seem elsewhere rents an address there. So nothing may be refused, slowed or allowed because of a
// place: only who writes pages and mails may import this package, and a test holds that.
//
// The file is somebody else's work: its names are shortened and cleaned before anybody sees them, and what is wrong
// inside it reads as "unknown".
//
// It never decides anything, never asks a service on the network, never fails a page or a mail, and keeps nothing: a
// place is found when it is shown and is in no row and no log.
package place
