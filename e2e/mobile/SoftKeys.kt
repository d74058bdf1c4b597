package com.example.keyward

import java.math.BigInteger
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec

/** Keys of a machine that is no phone: nobody vouches for them, and nobody touches anything. */
class SoftKeys : Keys {
    override var current: PhoneKeys? = null
        private set

    var shown = mutableListOf<String>() // what a person would have read
        private set

    override fun make(challenge: ByteArray): PhoneKeys {
        val session = pair()
        val touch = pair()
        return PhoneKeys(
            object : SessionKey {
                override val public = session.public as ECPublicKey
                override fun sign(data: ByteArray) = ecdsa(session, data)
            },
            object : TouchKey {
                override val public = touch.public as ECPublicKey
                override fun sign(data: ByteArray, text: String) = ecdsa(touch, data).also { shown += text }
            },
            listOf(Der.selfSigned(session) { ecdsa(session, it) }),
            listOf(Der.selfSigned(touch) { ecdsa(touch, it) }),
        )
    }

    override fun keep(fresh: PhoneKeys) {
        current = fresh
    }

    override fun delete() {
        current = null
    }

    private fun pair(): KeyPair = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()

    private fun ecdsa(pair: KeyPair, data: ByteArray): ByteArray = Signature.getInstance("SHA256withECDSA").run {
        initSign(pair.private)
        update(data)
        sign()
    }
}

/** A certificate that says nothing but its key, written by hand (X.690, RFC 5280 §4.1). */
object Der {
    fun selfSigned(pair: KeyPair, sign: (ByteArray) -> ByteArray): ByteArray {
        val ecdsaWithSha256 = sequence(tlv(0x06, byteArrayOf(0x2A, 0x86.toByte(), 0x48, 0xCE.toByte(), 0x3D, 0x04, 0x03, 0x02)))
        val name = sequence(tlv(0x31, sequence(tlv(0x06, byteArrayOf(0x55, 0x04, 0x03)), tlv(0x0C, "no phone".toByteArray()))))
        val toBeSigned = sequence(
            tlv(0x02, BigInteger.ONE.toByteArray()),
            ecdsaWithSha256,
            name,
            sequence(tlv(0x17, "200101000000Z".toByteArray()), tlv(0x17, "491231235959Z".toByteArray())),
            name,
            pair.public.encoded, // SubjectPublicKeyInfo
        )
        return sequence(toBeSigned, ecdsaWithSha256, tlv(0x03, byteArrayOf(0) + sign(toBeSigned)))
    }

    private fun sequence(vararg parts: ByteArray) = tlv(0x30, parts.fold(ByteArray(0), ByteArray::plus))

    private fun tlv(tag: Int, content: ByteArray): ByteArray {
        val n = content.size
        val length = when {
            n < 0x80 -> byteArrayOf(n.toByte())
            n < 0x100 -> byteArrayOf(0x81.toByte(), n.toByte())
            else -> byteArrayOf(0x82.toByte(), (n shr 8).toByte(), n.toByte())
        }
        return byteArrayOf(tag.toByte()) + length + content
    }
}
