// Package web owns the pages: HTTP in, HTML out.
//
// It has two halves. The view half (views*.go, render*.go, templates, static) knows how things look and are said, and nothing
// of databases, sessions or rules: one struct per page goes in, a page comes out. The handler half (handlers*.go, routes.go)
// reads requests, asks the domains and fills the structs. Neither decides what somebody may do.
//
// Every page reads without script; only proofs of keys need it. There is no inline script or style and no data: image, so a
// policy of default-src 'none' with 'self' for script, style, image and connect holds on every page.
package web
