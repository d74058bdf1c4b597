package com.example.keyward

import java.security.SecureRandom

/** The proof that each request carries (RFC 9449 §4.2). Made anew for each sending: the server takes none twice. */
internal object Dpop {
    private val random = SecureRandom()

    fun proof(key: SessionKey, method: String, url: String, access: String?, nonce: String?, nowSeconds: Long): String = Jws.sign(
        mapOf("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to Jws.jwk(key.public)),
        buildMap {
            put("jti", Jws.encode(ByteArray(16).also(random::nextBytes)))
            put("htm", method)
            put("htu", url.substringBefore('?'))
            put("iat", nowSeconds)
            if (access != null) put("ath", Jws.encode(Jws.sha256(access.toByteArray(Charsets.US_ASCII))))
            if (nonce != null) put("nonce", nonce)
        },
        key::sign,
    )
}
