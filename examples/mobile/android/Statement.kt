package com.example.keyward

/** What the touch key signs (docs/mobile.md, "Statements"). */
internal object Statement {
    fun sign(keys: PhoneKeys, rpId: String, challenge: String, act: Act, shown: String): String = Jws.sign(
        mapOf("alg" to "ES256", "typ" to "kw-touch+jwt", "kid" to Jws.thumbprint(keys.touch.public)),
        mapOf(
            "aud" to rpId, "session" to Jws.thumbprint(keys.session.public), "challenge" to challenge,
            "act" to act.kind, "object" to act.target,
        ),
    ) { keys.touch.sign(it, shown) }

    /** What the session key signs at enrolment: that it is there, and which touch key it goes with. */
    fun beside(keys: PhoneKeys, rpId: String, challenge: String): String = Jws.sign(
        mapOf("alg" to "ES256", "typ" to "kw-session+jwt", "kid" to Jws.thumbprint(keys.session.public)),
        mapOf("aud" to rpId, "challenge" to challenge, "touch" to Jws.thumbprint(keys.touch.public)),
    ) { keys.session.sign(it) }

    /** The answer to creation options. */
    fun enrolment(keys: PhoneKeys, statement: String, beside: String): Map<String, Any?> = mapOf(
        "type" to "phone", "platform" to "android", "touch_key" to Jws.jwk(keys.touch.public), "session_key" to Jws.jwk(keys.session.public),
        "statement" to statement, "session_statement" to beside, "session_chain" to keys.sessionChain.map(Jws::encode), "touch_chain" to keys.touchChain.map(Jws::encode),
    )

    /** The answer to request options. */
    fun touch(keys: PhoneKeys, statement: String): Map<String, Any?> =
        mapOf("type" to "phone", "id" to Jws.thumbprint(keys.touch.public), "statement" to statement)
}
