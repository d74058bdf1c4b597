// Package pictures looks at every page in a real browser: it measures each at 320 px for sideways scroll and small targets,
// listens for refusals of the content security policy, and takes pictures at 360, 768 and 1280 px in both themes and languages.
//
//	KEYWARD_PICTURES=/tmp/pictures go test ./e2e/pictures
//	KEYWARD_PICTURES_ONLY='^devices' …   only fixtures that match
//	KEYWARD_AXE=axe.min.js …             also runs the accessibility rules of axe-core (WCAG 2.2 A and AA, best practice)
//
// It draws the fixtures of internal/web and internal/console and needs Chromium; nothing else runs it.
package pictures
