// Package keyward is the root of the module and holds no code that runs. Beside
// this file stand the tests that read the repository as a whole: which package
// may import which (architecture_test.go), and whether the documents tell the
// truth (docs_test.go, holds_test.go, readme_test.go). The program is
// cmd/keyward; ARCHITECTURE.md is the way in.
//
// It owns no behaviour and is never imported.
package keyward
