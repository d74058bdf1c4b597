package web

import (
	"net/http"

	"keyward/internal/edge"
)

// Routes puts the pages on a mux. Limits stand beside the routes they guard.
func (s *Server) Routes(mux *http.ServeMux, e *edge.Edge) {
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(edge.ClassPage, h)) }
	in := func(pattern string, h func(*visit) error) { open(pattern, s.signedIn(h)) }
	limited := func(pattern string, c edge.Class, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(c, h)) }

	mux.Handle("GET /static/", s.Renderer.Static())

	open("GET /signup", s.signUpPage)
	open("POST /signup", s.signUpMail)
	open("POST /signup/passkey", s.signUpNoScript)
	limited("POST /signup/begin", edge.ClassSignUp, s.signUpBegin)
	limited("POST /signup/finish", edge.ClassSignUp, s.signUpFinish)

	open("GET /signin", s.signInPage)
	open("POST /signin", s.signInNoScript)
	limited("POST /signin/begin", edge.ClassSignInBegin, s.signInBegin)
	limited("POST /signin/finish", edge.ClassSignInFinish, s.signInFinish)
	open("GET /signin/code", s.codePage)
	limited("POST /signin/code", edge.ClassSignInFinish, s.codeSignIn)
	in("POST /signout", s.signOut)

	open("GET /session/renew", s.renewPage)
	limited("POST /session/renew", edge.ClassRefresh, s.renew)
	limited("GET /session/state", edge.ClassRefresh, s.sessionState)

	limited("POST /session/bound/new", edge.ClassRefresh, s.bindDevice)
	limited("POST /session/bound", edge.ClassRefresh, s.showDevice)
	open("GET /session/touch", s.touchPage)
	limited("POST /session/touch", edge.ClassSignInFinish, s.touchFinish)

	in("GET /stepup", s.stepUpPage)
	in("POST /stepup", s.stepUpNoScript)
	in("POST /stepup/begin", s.stepUpBegin)
	in("POST /stepup/finish", s.stepUpFinish)

	in("GET /{$}", s.home)
	in("GET /passkeys", s.passkeys)
	in("GET /passkeys/add", s.passkeyAdd)
	in("POST /passkeys/add", s.passkeyAddNoScript)
	in("POST /passkeys/begin", s.passkeyBegin)
	in("POST /passkeys/finish", s.passkeyFinish)
	in("GET /passkeys/{id}/rename", s.passkeyRenamePage)
	in("POST /passkeys/{id}/rename", s.passkeyRename)
	in("GET /passkeys/{id}/remove", s.passkeyRemovePage)
	in("POST /passkeys/{id}/remove", s.passkeyRemove)

	open("GET /new", s.joinPage)
	limited("POST /new", edge.ClassJoin, s.joinShow)
	open("GET /new/state", s.joinState)
	limited("POST /new/begin", edge.ClassSignInBegin, s.joinBegin)
	limited("POST /new/finish", edge.ClassSignInFinish, s.joinFinish)

	in("GET /devices/add", s.newDevicePage)
	in("POST /devices/add", s.newDeviceCode)
	in("GET /joins/{id}", s.joinAnswerPage)
	in("GET /joins/{id}/state", s.joinAnswerState)
	in("POST /joins/{id}/admit", s.joinAdmit)
	in("POST /joins/{id}/refuse", s.joinRefuse)
	in("GET /devices/change", s.changePage)
	in("POST /devices/{id}/retire", s.deviceRetire)

	in("GET /devices", s.devices)
	in("POST /devices/{id}/mine", s.deviceMine)
	in("GET /devices/{id}/not-me", s.deviceNotMePage)
	in("POST /devices/{id}/not-me", s.deviceNotMe)
	in("GET /devices/{id}/remove", s.deviceRemovePage)
	in("POST /devices/{id}/remove", s.deviceRemove)
	in("GET /sessions/{id}/end", s.sessionEndPage)
	in("POST /sessions/{id}/end", s.sessionEnd)
	in("POST /sessions/end-others", s.endOthers)

	in("GET /apps", s.apps)
	in("GET /apps/{id}/end", s.appEndPage)
	in("POST /apps/{id}/end", s.appEnd)
	in("GET /apps/{id}/narrow", s.appNarrowPage)
	in("POST /apps/{id}/narrow", s.appNarrow)

	in("GET /keys", s.botKeys)
	in("GET /keys/new", s.botKeyNewPage)
	in("POST /keys/new", s.botKeyNew)
	in("GET /keys/{id}", s.botKeyPage)
	in("POST /keys/{id}", s.botKeyChange)
	in("POST /keys/{id}/place", s.botKeyPlace)
	in("POST /keys/{id}/unlock", s.botKeyUnlock)
	in("POST /keys/{id}/release", s.botKeyRelease)
	in("POST /keys/{id}/wake", s.botKeyWake)
	in("GET /keys/{id}/rotate", s.botKeyRotatePage)
	in("POST /keys/{id}/rotate", s.botKeyRotate)
	in("POST /keys/{id}/retire", s.botKeyRetire)
	in("POST /keys/{id}/keep", s.botKeyKeep)
	in("POST /keys/{id}/undo", s.botKeyUndo)
	in("GET /keys/{id}/rehearse", s.botKeyRehearsePage)
	in("POST /keys/{id}/rehearse", s.botKeyTwin)
	in("GET /keys/{id}/used", s.botKeyUsed)
	in("GET /keys/{id}/end", s.botKeyEndPage)
	in("POST /keys/{id}/end", s.botKeyEnd)

	in("GET /keys/{id}/story", s.botKeySigned)

	in("GET /subaccounts", s.subs)
	in("GET /subaccounts/new", s.subNewPage)
	in("POST /subaccounts/new", s.subNew)
	in("GET /subaccounts/{id}", s.subPage)
	in("POST /subaccounts/{id}", s.subChange)
	in("POST /subaccounts/{id}/freeze", s.subFreeze)
	in("POST /subaccounts/{id}/empty", s.subEmpty)
	in("POST /subaccounts/{id}/thaw", s.subThaw)
	in("GET /subaccounts/{id}/close", s.subClosePage)
	in("POST /subaccounts/{id}/close", s.subClose)

	in("GET /confirm", s.confirmNext)
	in("GET /confirm/{id}", s.confirmPage)
	in("POST /confirm/{id}", s.confirmNoScript)
	in("GET /confirm/{id}/state", s.confirmState)
	in("POST /confirm/{id}/begin", s.confirmBegin)
	in("POST /confirm/{id}/finish", s.confirmFinish)
	in("POST /confirm/{id}/refuse", s.confirmRefuse)
	in("POST /confirm/{id}/freeze", s.confirmFreeze)

	in("GET /codes", s.codes)
	in("GET /codes/new", s.codesNewPage)
	in("POST /codes/new", s.codesNew)
	in("GET /codes/confirm", s.codesConfirmPage)
	in("POST /codes/confirm", s.codesConfirm)
	in("POST /codes/check", s.codesCheck)

	in("GET /activity", s.activity)
	in("GET /activity/{id}/not-me", s.activityNotMePage)
	in("POST /activity/{id}/not-me", s.activityNotMe)

	open("GET /freeze", s.freezePage)
	in("POST /freeze", s.freeze)
	limited("POST /freeze/mail", edge.ClassFreezeMail, s.freezeMail)
	open("GET /freeze/link", s.freezeLinkPage)
	open("POST /freeze/link", s.freezeLink)
	in("GET /freeze/lift", s.liftPage)
	in("POST /freeze/lift", s.lift)

	open("GET /mail/verify", s.verifyPage)
	open("POST /mail/verify", s.verify)
	in("POST /contacts/verify", s.verifySend)

	open("GET /oauth/authorize", s.authorizePage)
	open("POST /oauth/authorize", s.authorizeByPost)
	in("POST /oauth/authorize/answer", s.authorize)
	open("GET /oauth/logout", s.logoutPage)
	open("POST /oauth/logout", s.logoutByPost)
	in("POST /oauth/logout/confirm", s.logout)
	open("POST /look", s.look)
	open("GET /lost-phone", s.lostPhone)
	open("GET /official", s.official)
	open("GET /help", s.help)

	s.docs(mux, e)
	s.wellKnown(mux, e)
}
