import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Checks that the owner of an account approved exactly the withdrawal that is about to be sent (executor/README.md, which
 * says what each step stops). One file for Java 17 and later, to be copied; it needs nothing else.
 *
 * <pre>
 *   Confirmation keyward = new Confirmation("https://login.example.com", "treasury", "example.com",
 *       Set.of("https://login.example.com"), Confirmation.keys(jwks));     // the issuer's /oauth/jwks
 *   Approved a = keyward.check(proof, withdrawal, Instant.now().getEpochSecond());
 * </pre>
 *
 * The caller sees to three things. The fields of the withdrawal come from its own order and never from the proof. It
 * remembers nothing: keep {@link Approved#id} in a unique column, in the transaction that marks the order as sent. And
 * {@link Approved#key} is Keyward's word for whose key it is, unless the keys of owners are also kept elsewhere.
 */
public final class Confirmation {
    /** Why a proof is refused: DIFFERENT, another withdrawal was approved; EXPIRED, it was good; PROOF, all else. */
    public enum Reason { PROOF, EXPIRED, DIFFERENT, WITHDRAWAL }

    /** A refusal. Its text repeats nothing of what was sent. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        public final Reason reason;

        Refused(Reason reason) {
            super("confirmation refused: " + reason, null, false, false); // no stack: strangers cause these
            this.reason = reason;
        }
    }

    /** A payment out of an account, in full. All is text and compared byte by byte; maxFee and memo may be empty. */
    public record Withdrawal(String account, String asset, String network, String amount, String maxFee, String address, String memo) {
    }

    /** What was verified. Times are seconds since 1970; key is a COSE_Key, kind webauthn or phone. */
    public record Approved(String id, long created, long expires, long approved, String kind, byte[] key, String grade, String rule) {
    }

    private static final long MAX_LIFE = 120;
    private static final long SKEW = 5;
    private static final int MAX_TOKEN = 64 << 10;
    private static final int MAX_INTENT = 2 << 10;
    private static final int MAX_PART = 8 << 10;
    private static final int MAX_ID = 64;

    private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();
    private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

    private final String issuer;
    private final String audience;
    private final String rpId;
    private final Set<String> origins;
    private final Map<String, PublicKey> keys;

    /** rpId and origins are those of the passkeys, as Keyward is configured. keys are the issuer's, by their names. */
    public Confirmation(String issuer, String audience, String rpId, Set<String> origins, Map<String, PublicKey> keys) {
        if (issuer.isEmpty() || audience.isEmpty() || rpId.isEmpty() || origins.isEmpty()) {
            throw new IllegalArgumentException("issuer, audience, rpId and origins are needed");
        }
        this.issuer = issuer;
        this.audience = audience;
        this.rpId = rpId;
        this.origins = Set.copyOf(origins);
        this.keys = Map.copyOf(keys);
    }

    /** Reads a JWK Set; a key of another kind than ES256 is left out. Read it anew when a proof names a key that is not there. */
    public static Map<String, PublicKey> keys(String jwks) throws Refused {
        Map<String, PublicKey> out = new HashMap<>();
        if (!(Json.object(utf8(jwks)).get("keys") instanceof List<?> list)) {
            throw new Refused(Reason.PROOF);
        }
        for (Object one : list) {
            if (one instanceof Map<?, ?> k && "EC".equals(k.get("kty")) && "P-256".equals(k.get("crv")) && k.get("kid") instanceof String kid
                && k.get("x") instanceof String x && k.get("y") instanceof String y && (k.get("alg") == null || "ES256".equals(k.get("alg")))) {
                out.put(kid, p256(decode(x), decode(y)));
            }
        }
        return out;
    }

    /** Decides whether the owner approved want, at this moment (seconds since 1970). */
    public Approved check(String proof, Withdrawal want, long now) throws Refused {
        if (!valid(want)) {
            throw new Refused(Reason.WITHDRAWAL);
        }
        Map<String, Object> claims = open(proof);
        byte[] raw = bytes(claims, "intent");
        byte[] nonce = bytes(claims, "nonce");
        long issued = seconds(claims, "iat");
        long expires = seconds(claims, "exp");
        long approved = seconds(claims, "approved");
        if (!issuer.equals(claims.get("iss")) || !audience.equals(claims.get("aud")) || nonce.length != 32) {
            throw new Refused(Reason.PROOF);
        }
        Intent intent = Intent.read(raw);
        // What is wanted, in the place of what was approved: the same bytes or none.
        if (!Arrays.equals(new Intent(intent.id, want, intent.created, intent.expires).cbor(), raw)
            || !want.account.equals(claims.get("sub")) || !intent.id.equals(claims.get("jti")) || !says(claims.get("authorization_details"), want)) {
            throw new Refused(Reason.DIFFERENT);
        }
        Map<String, Object> evidence = Json.object(claims.get("evidence"));
        byte[] challenge = sha256("kw-intent-1".getBytes(StandardCharsets.US_ASCII), raw, nonce);
        byte[] cose = bytes(evidence, "public_key");
        PersonKey key = PersonKey.read(cose);
        String kind = text(evidence, "type");
        switch (kind) {
            case "webauthn" -> webauthn(evidence, key, challenge);
            case "phone" -> phone(evidence, key, challenge, intent.id);
            default -> throw new Refused(Reason.PROOF);
        }
        if (approved < intent.created || approved > intent.expires || expires > approved + MAX_LIFE || issued < approved || issued > now + SKEW) {
            throw new Refused(Reason.PROOF);
        }
        if (now >= expires) {
            throw new Refused(Reason.EXPIRED);
        }
        return new Approved(intent.id, intent.created, intent.expires, approved, kind, cose, optional(claims, "grade"), optional(claims, "rule"));
    }

    /** The issuer's signature (RFC 7515 §7.1), of the one type, by a key that it published, and its claims. */
    private Map<String, Object> open(String proof) throws Refused {
        if (proof == null || proof.length() > MAX_TOKEN) {
            throw new Refused(Reason.PROOF);
        }
        String[] parts = proof.split("\\.", -1);
        if (parts.length != 3) {
            throw new Refused(Reason.PROOF);
        }
        Map<String, Object> head = Json.object(decode(parts[0]));
        PublicKey key = head.get("kid") instanceof String kid ? keys.get(kid) : null;
        // An access token is signed by the same key: only the type tells them apart (RFC 8725 §3.11).
        if (key == null || !"ES256".equals(head.get("alg")) || !"kw-confirmation+jwt".equals(head.get("typ")) || head.containsKey("crit")
            || !verify("SHA256withECDSAinP1363Format", key, (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII), decode(parts[2]))) {
            throw new Refused(Reason.PROOF);
        }
        return Json.object(decode(parts[1]));
    }

    /** authorization_details (RFC 9396) say what is wanted, and nothing else; what is empty may be left out. */
    private static boolean says(Object details, Withdrawal w) {
        Map<String, String> fields = Map.of("type", "keyward_withdrawal", "asset", w.asset, "network", w.network, "amount", w.amount,
            "max_fee", w.maxFee, "address", w.address, "memo", w.memo);
        return details instanceof List<?> list && list.size() == 1 && list.get(0) instanceof Map<?, ?> m && fields.keySet().containsAll(m.keySet())
            && fields.entrySet().stream().allMatch(f -> f.getValue().equals(m.containsKey(f.getKey()) ? m.get(f.getKey()) : ""));
    }

    /** An assertion by the person's passkey (WebAuthn L3 §7.2 steps 10 to 21). */
    private void webauthn(Map<String, Object> m, PersonKey key, byte[] challenge) throws Refused {
        byte[] client = bytes(m, "client_data_json");
        byte[] auth = bytes(m, "authenticator_data");
        Map<String, Object> c = Json.object(client);
        boolean framed = c.containsKey("topOrigin") || !Boolean.FALSE.equals(c.getOrDefault("crossOrigin", false));
        if (auth.length < 37 || framed || !"webauthn.get".equals(c.get("type")) || !Arrays.equals(bytes(c, "challenge"), challenge)
            || !(c.get("origin") instanceof String origin) || !origins.contains(origin)
            || !Arrays.equals(Arrays.copyOf(auth, 32), sha256(rpId.getBytes(StandardCharsets.UTF_8)))) {
            throw new Refused(Reason.PROOF);
        }
        boolean present = (auth[32] & 1) != 0;
        boolean verified = (auth[32] & 1 << 2) != 0;
        boolean canBackUp = (auth[32] & 1 << 3) != 0;
        boolean backedUp = (auth[32] & 1 << 4) != 0;
        boolean registration = (auth[32] & 1 << 6) != 0;
        if (!present || !verified || registration || backedUp && !canBackUp || !key.signed(concat(auth, sha256(client)), bytes(m, "signature"))) {
            throw new Refused(Reason.PROOF);
        }
    }

    /** The statement of a phone's touch key (docs/mobile.md): the act stands in it in words. */
    private void phone(Map<String, Object> m, PersonKey key, byte[] challenge, String id) throws Refused {
        String[] parts = text(m, "statement").split("\\.", -1);
        if (parts.length != 3 || key.ec == null) {
            throw new Refused(Reason.PROOF);
        }
        Map<String, Object> head = Json.object(decode(parts[0]));
        Map<String, Object> c = Json.object(decode(parts[1]));
        if (head.size() != 3 || !"ES256".equals(head.get("alg")) || !"kw-touch+jwt".equals(head.get("typ")) || !key.thumbprint().equals(head.get("kid"))
            || !rpId.equals(c.get("aud")) || !"confirm".equals(c.get("act")) || !id.equals(c.get("object")) || !Arrays.equals(bytes(c, "challenge"), challenge)
            || !verify("SHA256withECDSAinP1363Format", key.ec, (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII), decode(parts[2]))) {
            throw new Refused(Reason.PROOF);
        }
    }

    /** One spelling of each value, and nothing that cannot be seen: what is shown can be compared with what is meant. */
    private static boolean valid(Withdrawal w) {
        return word(w.account, MAX_ID) && word(w.asset, 20) && name(w.asset) && word(w.network, 40) && name(w.network)
            && decimal(w.amount) && w.amount.chars().anyMatch(c -> c >= '1' && c <= '9') && (w.maxFee.isEmpty() || decimal(w.maxFee))
            && word(w.address, 200) && w.memo.getBytes(StandardCharsets.UTF_8).length <= 200 && w.memo.codePoints().noneMatch(Confirmation::hidden)
            && w.memo.strip().equals(w.memo) && !w.memo.contains("  ") && !piled(w.memo);
    }

    private static boolean word(String s, int most) {
        return !s.isEmpty() && s.length() <= most && s.chars().allMatch(c -> c > ' ' && c <= '~');
    }

    private static boolean name(String s) {
        return s.chars().allMatch(c -> c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || "-._".indexOf(c) >= 0);
    }

    private static boolean decimal(String s) {
        return s.length() <= 40 && s.matches("(0|[1-9][0-9]*)(\\.[0-9]+)?");
    }

    /** Characters that change how others are read, or cannot be seen (Unicode TR 36 §3). A half of a pair is one. */
    private static boolean hidden(int c) {
        boolean seen = switch (Character.getType(c)) {
            case Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.PRIVATE_USE, Character.UNASSIGNED,
                Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
        // Fillers, and selectors of variants: letters and marks that draw nothing.
        return !seen || "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0".indexOf(c) >= 0
            || c >= 0xfe00 && c <= 0xfe0f || c >= 0xe0100 && c <= 0xe01ef;
    }

    /** Marks without a letter below them, or more than four on one, paint over what stands above and below. */
    private static boolean piled(String s) {
        int marks = 4;
        for (int c : s.codePoints().toArray()) {
            int type = Character.getType(c);
            marks = type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK ? marks + 1 : 0;
            if (marks > 4) {
                return true;
            }
        }
        return false;
    }

    /** A withdrawal that somebody was asked to approve, in its one form: deterministic CBOR (RFC 8949 §4.2.1). */
    private record Intent(String id, Withdrawal w, long created, long expires) {
        byte[] cbor() {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            b.write(0xa0 | 11);
            text(b, "v");
            head(b, 0, 1);
            String[] texts = {"id", id, "memo", w.memo, "asset", w.asset, "amount", w.amount, "account", w.account, "address", w.address};
            for (String s : texts) {
                text(b, s);
            }
            text(b, "created");
            head(b, 0, created);
            text(b, "expires");
            head(b, 0, expires);
            for (String s : new String[]{"max_fee", w.maxFee, "network", w.network}) {
                text(b, s);
            }
            return b.toByteArray();
        }

        static Intent read(byte[] raw) throws Refused {
            if (raw.length > MAX_INTENT) {
                throw new Refused(Reason.PROOF);
            }
            Cbor r = new Cbor(raw);
            boolean members = r.head(5) == 11 && r.named("v").number() == 1;
            String id = r.named("id").text();
            String memo = r.named("memo").text();
            String asset = r.named("asset").text();
            String amount = r.named("amount").text();
            String account = r.named("account").text();
            String address = r.named("address").text();
            long created = r.named("created").number();
            long expires = r.named("expires").number();
            String maxFee = r.named("max_fee").text();
            Intent i = new Intent(id, new Withdrawal(account, asset, r.named("network").text(), amount, maxFee, address, memo), created, expires);
            // Written again it must be the same bytes: longer spellings and what follows show there.
            if (!members || !Arrays.equals(i.cbor(), raw) || !word(id, MAX_ID) || !valid(i.w) || created <= 0 || expires <= created || expires - created > MAX_LIFE) {
                throw new Refused(Reason.PROOF);
            }
            return i;
        }

        private static void head(ByteArrayOutputStream b, int major, long n) {
            int size = n < 24 ? 0 : n < 1L << 8 ? 1 : n < 1L << 16 ? 2 : n < 1L << 32 ? 4 : 8;
            b.write(major << 5 | (size == 0 ? (int) n : 24 + Integer.numberOfTrailingZeros(size)));
            for (int i = size - 1; i >= 0; i--) {
                b.write((int) (n >>> 8 * i));
            }
        }

        private static void text(ByteArrayOutputStream b, String s) {
            byte[] raw = s.getBytes(StandardCharsets.UTF_8);
            head(b, 3, raw.length);
            b.writeBytes(raw);
        }
    }

    /** The little CBOR of intents and public keys: nothing nested, nothing of indefinite length, heads at their shortest. */
    private static final class Cbor {
        private final ByteBuffer in;

        Cbor(byte[] raw) {
            in = ByteBuffer.wrap(raw);
        }

        boolean done() {
            return !in.hasRemaining();
        }

        int major() throws Refused {
            if (done()) {
                throw new Refused(Reason.PROOF);
            }
            return (in.get(in.position()) & 0xff) >> 5;
        }

        /** The number in a head of this kind. */
        long head(int major) throws Refused {
            boolean right = major() == major;
            int low = in.get() & 0x1f;
            int size = low < 24 ? 0 : 1 << low - 24;
            if (!right || low > 27 || in.remaining() < size) {
                throw new Refused(Reason.PROOF);
            }
            long n = low < 24 ? low : 0;
            for (int k = 0; k < size; k++) {
                n = n << 8 | in.get() & 0xff;
            }
            long least = size == 0 ? 0 : size == 1 ? 24 : 1L << 4 * size; // a smaller one has a shorter spelling
            if (n < least) { // and one above 2^63 is below zero here
                throw new Refused(Reason.PROOF);
            }
            return n;
        }

        byte[] taken(int major) throws Refused {
            long n = head(major);
            if (n > in.remaining()) {
                throw new Refused(Reason.PROOF);
            }
            byte[] out = new byte[(int) n];
            in.get(out);
            return out;
        }

        String text() throws Refused {
            return decodeUtf8(taken(3));
        }

        long number() throws Refused {
            return major() == 1 ? -1 - head(1) : head(0);
        }

        Cbor named(String name) throws Refused {
            if (!text().equals(name)) {
                throw new Refused(Reason.PROOF);
            }
            return this;
        }
    }

    /** A public key as authenticators write it (COSE_Key, RFC 9053): ES256, EdDSA or RS256. ec is null for the others. */
    private record PersonKey(String algorithm, PublicKey key, ECPublicKey ec) {
        static PersonKey read(byte[] cose) throws Refused {
            Cbor r = new Cbor(cose);
            Map<Long, Long> numbers = new HashMap<>();
            Map<Long, byte[]> strings = new HashMap<>();
            long pairs = r.head(5);
            for (long k = 0; k < pairs && k < 6; k++) {
                long label = r.number();
                if (numbers.containsKey(label) || strings.containsKey(label)) {
                    throw new Refused(Reason.PROOF);
                }
                if (r.major() == 2) {
                    strings.put(label, r.taken(2));
                } else {
                    numbers.put(label, r.number());
                }
            }
            if (pairs > 5 || !r.done()) {
                throw new Refused(Reason.PROOF);
            }
            String kind = numbers.get(1L) + " " + numbers.get(3L) + " " + numbers.get(-1L);
            byte[] one = strings.getOrDefault(-1L, new byte[0]);
            byte[] two = strings.getOrDefault(-2L, new byte[0]);
            try {
                if (kind.equals("2 -7 1")) {
                    ECPublicKey key = p256(two, strings.getOrDefault(-3L, new byte[0]));
                    return new PersonKey("SHA256withECDSAinP1363Format", key, key);
                }
                if (kind.equals("1 -8 6") && two.length == 32) {
                    byte[] spki = concat(new byte[]{0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0}, two); // RFC 8410 §4
                    return new PersonKey("Ed25519", KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(spki)), null);
                }
                BigInteger n = new BigInteger(1, one);
                BigInteger e = new BigInteger(1, two);
                if (kind.equals("3 -257 null") && n.bitLength() >= 2048 && n.bitLength() <= 4096 && two.length > 0 && two.length <= 4
                    && e.compareTo(BigInteger.TWO) > 0 && e.compareTo(BigInteger.valueOf(65537)) <= 0 && e.testBit(0)) {
                    return new PersonKey("SHA256withRSA", KeyFactory.getInstance("RSA").generatePublic(new RSAPublicKeySpec(n, e)), null);
                }
            } catch (GeneralSecurityException e) {
                // refused below
            }
            throw new Refused(Reason.PROOF);
        }

        boolean signed(byte[] what, byte[] signature) throws Refused {
            return verify(algorithm, key, what, ec == null ? signature : flat(signature));
        }

        /** RFC 7638 §3, as phones name their touch keys. */
        String thumbprint() {
            ECPoint at = ec.getW();
            String json = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" + ENCODER.encodeToString(fixed(at.getAffineX())) + "\",\"y\":\""
                + ENCODER.encodeToString(fixed(at.getAffineY())) + "\"}";
            return ENCODER.encodeToString(sha256(json.getBytes(StandardCharsets.US_ASCII)));
        }
    }

    /** R and S of an ECDSA signature in strict DER (WebAuthn L3 §6.5.5), 32 bytes each. */
    private static byte[] flat(byte[] der) throws Refused {
        if (der.length < 8 || der.length > 72 || der[0] != 0x30 || der[1] != der.length - 2 || der[2] != 2 || der[3] < 1 || der[3] > 33 || der.length < 6 + der[3] + 1
            || der[4 + der[3]] != 2 || der[5 + der[3]] != der.length - 6 - der[3]) {
            throw new Refused(Reason.PROOF);
        }
        byte[] r = Arrays.copyOfRange(der, 4, 4 + der[3]);
        byte[] s = Arrays.copyOfRange(der, 6 + der[3], der.length);
        for (byte[] n : List.of(r, s)) {
            if (n.length > 33 || n[0] < 0 || n.length == 33 && n[0] != 0 || n.length > 1 && n[0] == 0 && n[1] >= 0) {
                throw new Refused(Reason.PROOF); // below zero, too large, or with a zero too many
            }
        }
        return concat(fixed(new BigInteger(1, r)), fixed(new BigInteger(1, s)));
    }

    private static byte[] fixed(BigInteger n) {
        byte[] raw = n.toByteArray();
        byte[] out = new byte[32];
        int size = Math.min(raw.length, 32);
        System.arraycopy(raw, raw.length - size, out, 32 - size, size);
        return out;
    }

    /** A key on P-256. Java's factory takes points that are on no curve, so this looks. */
    private static ECPublicKey p256(byte[] x, byte[] y) throws Refused {
        try {
            AlgorithmParameters params = AlgorithmParameters.getInstance("EC");
            params.init(new ECGenParameterSpec("secp256r1"));
            ECParameterSpec curve = params.getParameterSpec(ECParameterSpec.class);
            BigInteger p = ((ECFieldFp) curve.getCurve().getField()).getP();
            BigInteger at = new BigInteger(1, x);
            BigInteger up = new BigInteger(1, y);
            BigInteger right = at.pow(3).add(curve.getCurve().getA().multiply(at)).add(curve.getCurve().getB());
            if (x.length == 32 && y.length == 32 && at.compareTo(p) < 0 && up.compareTo(p) < 0 && up.pow(2).subtract(right).mod(p).signum() == 0) {
                return (ECPublicKey) KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(new ECPoint(at, up), curve));
            }
        } catch (GeneralSecurityException e) {
            // refused below
        }
        throw new Refused(Reason.PROOF);
    }

    private static boolean verify(String algorithm, PublicKey key, byte[] what, byte[] signature) {
        // A Java of before 17.0.3 takes zeros for a signature of anything (CVE-2022-21449).
        if (key instanceof ECPublicKey && (signature.length != 64 || zero(signature, 0) || zero(signature, 32))) {
            return false;
        }
        try {
            Signature s = Signature.getInstance(algorithm);
            s.initVerify(key);
            s.update(what);
            return s.verify(signature);
        } catch (GeneralSecurityException e) {
            return false;
        }
    }

    private static boolean zero(byte[] b, int from) {
        return Arrays.equals(b, from, from + 32, new byte[32], 0, 32);
    }

    private static String text(Map<String, Object> m, String name) throws Refused {
        if (m.get(name) instanceof String s && s.length() <= MAX_PART * 2) {
            return s;
        }
        throw new Refused(Reason.PROOF);
    }

    private static String optional(Map<String, Object> m, String name) {
        return m.get(name) instanceof String s ? s : "";
    }

    private static byte[] bytes(Map<String, Object> m, String name) throws Refused {
        return decode(text(m, name));
    }

    private static long seconds(Map<String, Object> m, String name) throws Refused {
        if (m.get(name) instanceof Json.Number n && n.text().matches("0|[1-9][0-9]{0,14}")) {
            return Long.parseLong(n.text());
        }
        throw new Refused(Reason.PROOF);
    }

    /** Base64url in its one spelling: Java's decoder takes padding and unused bits, so it is written again. */
    private static byte[] decode(String text) throws Refused {
        try {
            byte[] raw = DECODER.decode(text);
            if (ENCODER.encodeToString(raw).equals(text)) {
                return raw;
            }
        } catch (IllegalArgumentException e) {
            // refused below; the cause quotes what was sent
        }
        throw new Refused(Reason.PROOF);
    }

    private static String decodeUtf8(byte[] raw) throws Refused {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(raw)).toString();
        } catch (CharacterCodingException e) {
            throw new Refused(Reason.PROOF);
        }
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        for (byte[] p : parts) {
            b.writeBytes(p);
        }
        return b.toByteArray();
    }

    private static byte[] sha256(byte[]... of) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(concat(of));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    /**
     * Strict JSON (RFC 8259): each name once and exactly, nothing behind the end. Two readers of one signed text must
     * not see two challenges in it. Objects are maps, arrays lists; numbers keep their spelling.
     */
    static final class Json {
        record Number(String text) {
        }

        private final String in;
        private int at;

        private Json(String in) {
            this.in = in;
        }

        /** A parsed object. */
        static Map<String, Object> object(byte[] raw) throws Refused {
            Json r = new Json(decodeUtf8(raw));
            Object value = r.value(0);
            if (r.at != r.in.length()) {
                throw new Refused(Reason.PROOF);
            }
            return object(value);
        }

        /** A member that is an object. */
        static Map<String, Object> object(Object value) throws Refused {
            if (!(value instanceof Map<?, ?> m)) {
                throw new Refused(Reason.PROOF);
            }
            Map<String, Object> out = new LinkedHashMap<>();
            m.forEach((name, v) -> out.put((String) name, v));
            return out;
        }

        private Object value(int depth) throws Refused {
            blank();
            Object out;
            if (depth > 8) {
                throw new Refused(Reason.PROOF);
            } else if (take('{')) {
                out = members(depth);
            } else if (take('[')) {
                out = elements(depth);
            } else if (take('"')) {
                out = string();
            } else {
                out = word();
            }
            blank();
            return out;
        }

        private Map<String, Object> members(int depth) throws Refused {
            Map<String, Object> m = new LinkedHashMap<>();
            blank();
            if (take('}')) {
                return m;
            }
            do {
                blank();
                must('"');
                String name = string();
                blank();
                must(':');
                if (m.containsKey(name)) {
                    throw new Refused(Reason.PROOF);
                }
                m.put(name, value(depth + 1));
            } while (take(','));
            must('}');
            return m;
        }

        private List<Object> elements(int depth) throws Refused {
            List<Object> list = new ArrayList<>();
            blank();
            if (take(']')) {
                return list;
            }
            do {
                list.add(value(depth + 1));
            } while (take(','));
            must(']');
            return list;
        }

        private String string() throws Refused {
            StringBuilder b = new StringBuilder();
            while (at < in.length()) {
                char c = in.charAt(at++);
                if (c == '"') {
                    return b.toString();
                }
                if (c < ' ') {
                    break;
                }
                b.append(c == '\\' ? escape() : c);
            }
            throw new Refused(Reason.PROOF);
        }

        private char escape() throws Refused {
            char c = at < in.length() ? in.charAt(at++) : 0;
            int k = "\"\\/bfnrt".indexOf(c);
            if (k >= 0 && c != 0) {
                return "\"\\/\b\f\n\r\t".charAt(k);
            }
            if (c == 'u' && at + 4 <= in.length() && in.substring(at, at + 4).matches("[0-9a-fA-F]{4}")) {
                at += 4;
                return (char) Integer.parseInt(in.substring(at - 4, at), 16);
            }
            throw new Refused(Reason.PROOF);
        }

        private Object word() throws Refused {
            int from = at;
            while (at < in.length() && "{}[],:\" \t\r\n".indexOf(in.charAt(at)) < 0) {
                at++;
            }
            String s = in.substring(from, at);
            switch (s) {
                case "true", "false":
                    return Boolean.valueOf(s);
                case "null":
                    return Optional.NOTHING;
                default:
                    if (s.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
                        return new Number(s);
                    }
                    throw new Refused(Reason.PROOF);
            }
        }

        private enum Optional { NOTHING }

        private boolean take(char c) {
            boolean there = at < in.length() && in.charAt(at) == c;
            at += there ? 1 : 0;
            return there;
        }

        private void must(char c) throws Refused {
            if (!take(c)) {
                throw new Refused(Reason.PROOF);
            }
        }

        private void blank() {
            while (at < in.length() && " \t\r\n".indexOf(in.charAt(at)) >= 0) {
                at++;
            }
        }
    }
}
