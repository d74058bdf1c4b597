// Not compiled in this repository: it needs the Android SDK and androidx.biometric. API 30 and later.
package com.example.keyward

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import androidx.biometric.BiometricManager.Authenticators.BIOMETRIC_STRONG
import androidx.biometric.BiometricManager.Authenticators.DEVICE_CREDENTIAL
import androidx.biometric.BiometricPrompt
import androidx.core.content.ContextCompat
import androidx.fragment.app.FragmentActivity
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.PrivateKey
import java.security.ProviderException
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException

/**
 * Both keys in the Android Keystore, in StrongBox where there is one.
 *
 * @param activity the one in front: the system's dialog stands over it
 * @param title of the dialog, such as "Sign in to Example Exchange"; the act stands under it
 */
class AndroidKeys(context: Context, private val activity: () -> FragmentActivity, private val title: String) : Keys {
    private val store = KeyStore.getInstance("AndroidKeyStore").apply { load(null) }

    // Which pair is in use. An alias, no secret; lost with the app's data, as the keys are.
    private val kept = context.getSharedPreferences("keyward", Context.MODE_PRIVATE)

    override val current: PhoneKeys?
        get() = kept.getString("pair", null)?.let(::find)

    override fun make(challenge: ByteArray): PhoneKeys {
        val id = System.currentTimeMillis().toString()
        generate("kw.session.$id", challenge, touch = false)
        generate("kw.touch.$id", challenge, touch = true)
        return checkNotNull(find(id))
    }

    override fun keep(fresh: PhoneKeys) {
        val id = (fresh.touch as Touch).alias.removePrefix("kw.touch.")
        check(kept.edit().putString("pair", id).commit()) { "not written" } // commit, not apply: before any other key goes
        aliases().filterNot { it == "kw.session.$id" || it == "kw.touch.$id" }.forEach(store::deleteEntry)
    }

    override fun delete() {
        kept.edit().remove("pair").commit()
        aliases().forEach(store::deleteEntry)
    }

    private fun aliases() = store.aliases().toList().filter { it.startsWith("kw.") }

    private fun find(id: String): PhoneKeys? {
        val session = "kw.session.$id"
        val touch = "kw.touch.$id"
        if (!store.containsAlias(session) || !store.containsAlias(touch)) return null
        return PhoneKeys(Session(session), Touch(touch), chain(session), chain(touch))
    }

    private fun chain(alias: String) = store.getCertificateChain(alias).map { it.encoded }

    private fun generate(alias: String, challenge: ByteArray, touch: Boolean) {
        fun spec(strongBox: Boolean) = KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_SIGN)
            .setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
            .setDigests(KeyProperties.DIGEST_SHA256)
            .setAttestationChallenge(challenge)
            .setIsStrongBoxBacked(strongBox)
            .apply {
                if (touch) {
                    setUserAuthenticationRequired(true)
                    // 0 seconds: for each use anew. A key that stays open for a while would sign for whoever takes the phone.
                    setUserAuthenticationParameters(0, KeyProperties.AUTH_BIOMETRIC_STRONG or KeyProperties.AUTH_DEVICE_CREDENTIAL)
                }
            }
            .build()

        fun make(strongBox: Boolean) = KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, "AndroidKeyStore")
            .apply { initialize(spec(strongBox)) }.generateKeyPair()
        try {
            make(strongBox = true)
        } catch (e: StrongBoxUnavailableException) {
            make(strongBox = false)
        } catch (e: ProviderException) { // some makers throw this one for the same
            make(strongBox = false)
        }
    }

    private fun public(alias: String) = store.getCertificate(alias).publicKey as ECPublicKey

    private fun signature(alias: String) = Signature.getInstance("SHA256withECDSA").apply { initSign(store.getKey(alias, null) as PrivateKey) }

    private inner class Session(val alias: String) : SessionKey {
        override val public = public(alias)
        override fun sign(data: ByteArray): ByteArray = signature(alias).run {
            update(data)
            sign()
        }
    }

    private inner class Touch(val alias: String) : TouchKey {
        override val public = public(alias)

        /** KeyPermanentlyInvalidatedException: the screen lock was taken off. Enrol anew with another key of the account. */
        override fun sign(data: ByteArray, text: String): ByteArray {
            val opened = CompletableFuture<Signature>()
            val locked = signature(alias)
            val front = activity()
            front.runOnUiThread {
                val prompt = BiometricPrompt(front, ContextCompat.getMainExecutor(front), object : BiometricPrompt.AuthenticationCallback() {
                    override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult) {
                        // The signature that the Keystore opened for this one use. Nothing else is proof of a touch.
                        val open = result.cryptoObject?.signature
                        if (open != null) opened.complete(open) else opened.completeExceptionally(NotTouched("no key was opened"))
                    }

                    override fun onAuthenticationError(code: Int, message: CharSequence) {
                        opened.completeExceptionally(NotTouched(message.toString()))
                    }
                })
                val info = BiometricPrompt.PromptInfo.Builder().setTitle(title).setDescription(text)
                    .setAllowedAuthenticators(BIOMETRIC_STRONG or DEVICE_CREDENTIAL).build()
                prompt.authenticate(info, BiometricPrompt.CryptoObject(locked))
            }
            return try {
                opened.get().run {
                    update(data)
                    sign()
                }
            } catch (e: ExecutionException) {
                throw e.cause ?: e
            }
        }
    }
}
