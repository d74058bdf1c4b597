package exchange

import (
	"html/template"
	"io"
	"net/http"
)

type view struct {
	Security, Account, Balance string
	Ended, Trouble, Added      bool
}

func render(w http.ResponseWriter, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, v)
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Demo exchange</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><b>Demo exchange</b>{{if .Account}}<form method="post" action="/leave"><button>Leave</button></form>{{end}}</header>
<main>
{{if .Added}}<p class="note">The address was added. Keyward vouched for a touch of yours within the last five minutes.</p>{{end}}
{{if .Account}}<h1>{{.Balance}} <small>BTC</small></h1>
<p>Balance of <bdi>{{.Account}}</bdi>. Our API gave it for an access token that is bound to our key, and it hears at once when your session ends.</p>
<form method="post" action="/address"><button>Add a withdrawal address</button></form>
<p><a href="{{.Security}}">Account security</a></p>
{{else}}{{if .Ended}}<p class="note">Your session was ended. Nothing here can be seen with it any more.</p>{{end}}
{{if .Trouble}}<p class="note">We could not ask whether your session still lives, so we show nothing.</p>{{end}}
<h1>Your balance is one sign-in away</h1>
<p>Keyward checks who you are. We never see your passkey.</p>
<p><a class="button" href="/enter-start">Sign in with Keyward</a></p>
{{end}}</main>
</body>
</html>
`))

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	io.WriteString(w, css)
}

const css = `:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}
body{margin:0;background:light-dark(#f4f6fa,#10141c);color:light-dark(#151a24,#e9edf5)}
header{display:flex;justify-content:space-between;align-items:center;padding:1rem 1.5rem;border-block-end:1px solid light-dark(#d9deea,#2b3344);min-height:44px}
main{max-width:36rem;margin:4rem auto;padding:0 1.5rem}
h1{font-size:clamp(2rem,6vw,3rem);line-height:1.15}
small{font-size:1rem}
.button,button{display:inline-block;min-height:44px;padding:.6rem 1.2rem;border:0;border-radius:10px;background:light-dark(#2f4fd0,#9db2ff);color:light-dark(#fff,#0c1330);text-decoration:none;font:inherit;font-weight:600;cursor:pointer}
a{color:light-dark(#2f4fd0,#9db2ff)}
.note{padding:1rem;border:1px solid light-dark(#d9deea,#2b3344);border-radius:10px}
bdi{overflow-wrap:anywhere}
`
