// Package lang owns every word Keyward says to a person, in English and Korean, and how dates and spans of time are written in each.
//
// Words live in JSON files beside this file. A file is named for its language, with an area in front when another
// package brings its own words: en.json, ko.json (pages), mail.en.json, mail.ko.json (mails). Keys are dotted and unique over
// all areas. A message is a string with {placeholders}, or an object {"one": …, "other": …} chosen by the argument "n".
//
// Sentences are never joined from parts: Korean particles would hang on the wrong word. A name or an address goes into
// quotes or on its own line, so that no particle follows a variable.
//
// A key missing in one language, a placeholder that differs, a key nobody uses or a key nobody wrote fails the tests. The
// package never decides what is said, never reads a request beyond its language headers, and imports nothing of ours.
package lang
