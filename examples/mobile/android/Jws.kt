package com.example.keyward

import java.math.BigInteger
import java.security.MessageDigest
import java.security.interfaces.ECPublicKey
import java.util.Base64

/** Compact JWS by ES256 (RFC 7515, RFC 7518 §3.4), which is all that a phone signs. */
internal object Jws {
    fun sign(header: Map<String, Any?>, claims: Map<String, Any?>, signer: (ByteArray) -> ByteArray): String {
        val text = encode(Json.write(header).toByteArray()) + "." + encode(Json.write(claims).toByteArray())
        return text + "." + encode(raw(signer(text.toByteArray(Charsets.US_ASCII))))
    }

    fun jwk(key: ECPublicKey): Map<String, Any?> {
        require(key.params.curve.field.fieldSize == 256) { "not a P-256 key" }
        return mapOf("crv" to "P-256", "kty" to "EC", "x" to encode(fixed(key.w.affineX)), "y" to encode(fixed(key.w.affineY)))
    }

    /** RFC 7638: the members of [jwk] stand in the order that it wants. */
    fun thumbprint(key: ECPublicKey): String = encode(sha256(Json.write(jwk(key)).toByteArray()))

    fun sha256(b: ByteArray): ByteArray = MessageDigest.getInstance("SHA-256").digest(b)
    fun encode(b: ByteArray): String = Base64.getUrlEncoder().withoutPadding().encodeToString(b)
    fun decode(s: String): ByteArray = Base64.getUrlDecoder().decode(s)

    /** A signature in DER, SEQUENCE { INTEGER r, INTEGER s }, as the 64 bytes r ‖ s. */
    fun raw(der: ByteArray): ByteArray {
        var at = 0
        fun take(tag: Int): Int {
            require(at + 2 <= der.size && der[at].toInt() == tag && der[at + 1] >= 0) { "not a signature in DER" }
            return der[at + 1].toInt().also { at += 2 }
        }
        fun integer(): ByteArray {
            val size = take(0x02)
            require(size in 1..33 && at + size <= der.size) { "not a signature in DER" }
            return fixed(BigInteger(der.copyOfRange(at, at + size))).also { at += size }
        }
        require(take(0x30) == der.size - 2) { "not a signature in DER" }
        val out = integer() + integer()
        require(at == der.size) { "not a signature in DER" }
        return out
    }

    private fun fixed(n: BigInteger): ByteArray {
        require(n.signum() >= 0 && n.bitLength() <= 256) { "not a number of P-256" }
        val b = n.toByteArray() // may begin with a zero for the sign
        return ByteArray(32).also { out -> b.takeLast(32).toByteArray().let { it.copyInto(out, 32 - it.size) } }
    }
}
