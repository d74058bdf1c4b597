package device

import "strings"

// UserAgent is what a browser says about itself, in words an owner knows. It is
// a claim: good for recognising a line in a list, never for a decision.
type UserAgent struct {
	Browser string // "Chrome", "" when unknown
	System  string // "Windows", "" when unknown
}

// mark is a word in a User-Agent header and what it means. Order matters: every
// browser also names the ones it wants to be taken for.
type mark struct{ word, name string }

var browsers = []mark{
	{"SamsungBrowser/", "Samsung Internet"},
	{"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"Edg/", "Edge"},
	{"OPR/", "Opera"}, {"OPT/", "Opera"},
	{"Whale/", "Whale"},
	{"NAVER(", "Naver app"},
	{"KAKAOTALK", "KakaoTalk"},
	{"YaBrowser/", "Yandex Browser"},
	{"Vivaldi/", "Vivaldi"},
	{"DuckDuckGo/", "DuckDuckGo"}, {"Ddg/", "DuckDuckGo"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{"okhttp/", "an Android app"}, {"CFNetwork/", "an Apple app"},
	{"curl/", "curl"},
}

var systems = []mark{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Macintosh", "Mac"}, // an iPad that asks for desktop pages says this too
	{"Darwin", "an Apple device"},
	{"Linux", "Linux"}, {"X11", "Linux"},
}

// Agent reads a User-Agent header.
func Agent(header string) UserAgent {
	if len(header) > 512 {
		header = header[:512]
	}
	return UserAgent{Browser: first(browsers, header), System: first(systems, header)}
}

// String reads "Chrome on Windows".
func (u UserAgent) String() string {
	switch {
	case u.Browser == "" && u.System == "":
		return "Unknown browser"
	case u.Browser == "":
		return u.System
	case u.System == "":
		return u.Browser
	}
	return u.Browser + " on " + u.System
}

// Words keep browser and system apart in a row, so that pages can say them in the
// owner's language. Neither can hold a bar: they come from the tables above.
func (u UserAgent) Words() string { return u.Browser + "|" + u.System }

// AgentOfWords reads them.
func AgentOfWords(words string) (u UserAgent) {
	u.Browser, u.System, _ = strings.Cut(words, "|")
	return u
}

func first(marks []mark, in string) string {
	for _, m := range marks {
		if strings.Contains(in, m.word) {
			return m.name
		}
	}
	return ""
}
