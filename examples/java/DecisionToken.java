import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Checks the decision token that a Keyward gate puts on each request (docs/decision-token.md). One file for Java 17
 * and later, to be copied; it needs nothing else.
 *
 * <pre>
 *   DecisionToken gate = new DecisionToken(List.of(key));   // 32 bytes each; two while a new one takes over
 *   Decision d = gate.check(token, method, target, body, System.currentTimeMillis());
 * </pre>
 *
 * The caller sees to three things. The header X-Keyward-Decision stands there exactly once. {@code target} is path and
 * query as they stood on the wire, for a servlet getRequestURI() with "?" and getQueryString() behind it, not what a
 * framework decoded. {@code body} is all of it, unparsed, and what is parsed afterwards is these bytes.
 *
 * It remembers nothing: who sees a request can send that very one again within five seconds. An upstream that moves
 * money keeps {@link Decision#id} in a unique column beside what it did.
 */
public final class DecisionToken {
    /** The header that holds the token. The other X-Keyward headers mean nothing by themselves. */
    public static final String HEADER = "X-Keyward-Decision";

    /** Why a decision is refused: for the log. A caller is told the same for all. */
    public enum Reason { MALFORMED, UNKNOWN_KEY, TAG, EXPIRED, NOT_YET, OTHER_REQUEST }

    /** A refusal. Its text repeats nothing of what was sent. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        public final Reason reason;

        Refused(Reason reason) {
            super("decision token refused: " + reason, null, false, false); // no stack: strangers cause these
            this.reason = reason;
        }
    }

    /** What the gate decided. Times are milliseconds since 1970; sub and scopes may be empty. */
    public record Decision(String id, String keyId, String method, String target, String bodyHash, String account,
                           String sub, String credential, String scopes, boolean exitOnly, long issued) {
        public long expires() {
            return issued + LIFE;
        }

        public boolean has(String scope) {
            return !scope.isEmpty() && List.of(scopes.split(" ")).contains(scope);
        }

        /** The one spelling of the payload. */
        String payload() {
            return "{\"v\":1,\"d\":" + quoted(id) + ",\"kid\":" + quoted(keyId) + ",\"m\":" + quoted(method) + ",\"p\":" + quoted(target)
                + ",\"b\":" + quoted(bodyHash) + ",\"a\":" + quoted(account) + ",\"u\":" + quoted(sub) + ",\"k\":" + quoted(credential)
                + ",\"s\":" + quoted(scopes) + ",\"x\":" + exitOnly + ",\"iat\":" + issued + ",\"exp\":" + expires() + "}";
        }
    }

    private static final String PREFIX = "kwd1.";
    private static final long LIFE = 5000;
    private static final long AHEAD = 1000;
    private static final int MAX_TOKEN = 32 << 10;
    private static final int MAX_TARGET = 8 << 10;
    private static final int MAX_SCOPES = 1024;
    private static final int MAX_METHOD = 32;
    private static final int MAX_NAME = 128;
    private static final long MAX_TIME = 1L << 52;

    private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();
    private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

    private record Known(String id, SecretKeySpec key) {
    }

    private final List<Known> keys;

    /** Takes the keys under which decisions are good, 32 bytes each, not all zero. */
    public DecisionToken(List<byte[]> keys) {
        for (byte[] key : keys) {
            if (key.length != 32 || Arrays.equals(key, new byte[32])) {
                throw new IllegalArgumentException("a key of the gate is 32 bytes, not all of them zero");
            }
        }
        this.keys = keys.stream().map(k -> new Known(keyId(k), new SecretKeySpec(k, "HmacSHA256"))).toList();
    }

    /** The key's public name: the first four bytes of its SHA-256 in hex. */
    public static String keyId(byte[] key) {
        return HexFormat.of().formatHex(sha256(key), 0, 4);
    }

    /** Decides whether token is a decision about this request at this moment (milliseconds since 1970). */
    public Decision check(String token, String method, String target, byte[] body, long now) throws Refused {
        if (token == null || token.length() > MAX_TOKEN || !token.startsWith(PREFIX)) {
            throw new Refused(Reason.MALFORMED);
        }
        int dot = token.lastIndexOf('.');
        if (dot < PREFIX.length()) {
            throw new Refused(Reason.MALFORMED);
        }
        byte[] payload = decode(token.substring(PREFIX.length(), dot));
        byte[] tag = decode(token.substring(dot + 1));
        Decision d = tag.length == 32 ? new Reader(new String(payload, StandardCharsets.ISO_8859_1)).decision() : null;
        // One spelling: what we would write is what we read. A second one would be another token to a log or a
        // memory of used tokens, and perhaps another decision to another parser.
        if (d == null || !valid(d) || !Arrays.equals(d.payload().getBytes(StandardCharsets.ISO_8859_1), payload)) {
            throw new Refused(Reason.MALFORMED);
        }
        boolean known = false;
        boolean holds = false;
        for (Known k : keys) {
            if (k.id.equals(d.keyId)) {
                known = true;
                holds |= MessageDigest.isEqual(hmac(k.key, token.substring(0, dot)), tag); // constant time
            }
        }
        if (!known) {
            throw new Refused(Reason.UNKNOWN_KEY);
        }
        if (!holds) {
            throw new Refused(Reason.TAG);
        }
        if (d.issued > now + AHEAD) {
            throw new Refused(Reason.NOT_YET);
        }
        if (now >= d.expires()) {
            throw new Refused(Reason.EXPIRED);
        }
        if (!d.method.equals(method) || !d.target.equals(target) || !d.bodyHash.equals(ENCODER.encodeToString(sha256(body)))) {
            throw new Refused(Reason.OTHER_REQUEST);
        }
        return d;
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
        throw new Refused(Reason.MALFORMED);
    }

    private static boolean valid(Decision d) {
        int colon = d.credential.indexOf(':');
        return d.id.length() > 4 && d.id.length() <= MAX_NAME && d.id.startsWith("dec_") && each(d.id, DecisionToken::isIdChar)
            && d.keyId.length() == 8 && each(d.keyId, c -> c >= '0' && c <= '9' || c >= 'a' && c <= 'f')
            && !d.method.isEmpty() && d.method.length() <= MAX_METHOD
            && each(d.method, c -> isAlnum(c) || "!#$%&'*+-.^_`|~".indexOf(c) >= 0)
            && d.target.startsWith("/") && d.target.length() <= MAX_TARGET && each(d.target, DecisionToken::isVisible)
            && d.bodyHash.length() == 43 && canonical(d.bodyHash)
            && !d.account.isEmpty() && d.account.length() <= MAX_NAME && each(d.account, DecisionToken::isVisible)
            && d.sub.length() <= MAX_NAME && each(d.sub, DecisionToken::isVisible)
            && colon >= 0 && Set.of("key", "token", "session").contains(d.credential.substring(0, colon))
            && d.credential.length() > colon + 1 && d.credential.length() <= MAX_NAME && each(d.credential, DecisionToken::isVisible)
            && validScopes(d.scopes) && d.issued > 0 && d.issued < MAX_TIME;
    }

    private static boolean canonical(String text) {
        try {
            decode(text);
            return true;
        } catch (Refused e) {
            return false;
        }
    }

    private static boolean validScopes(String scopes) {
        if (scopes.isEmpty()) {
            return true;
        }
        List<String> all = List.of(scopes.split(" ", -1));
        return scopes.length() <= MAX_SCOPES && all.stream().distinct().count() == all.size()
            && all.stream().allMatch(s -> !s.isEmpty() && each(s, c -> isVisible(c) && c != '"' && c != '\\'));
    }

    private interface Chars {
        boolean has(char c);
    }

    private static boolean each(String s, Chars ok) {
        return s.chars().allMatch(c -> ok.has((char) c));
    }

    private static boolean isVisible(char c) {
        return c > ' ' && c < 0x7f;
    }

    private static boolean isAlnum(char c) {
        return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z';
    }

    private static boolean isIdChar(char c) {
        return isAlnum(c) || c == '_' || c == '-';
    }

    private static String quoted(String s) {
        return '"' + s.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static byte[] sha256(byte[] of) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(of);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    private static byte[] hmac(SecretKeySpec key, String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return mac.doFinal(text.getBytes(StandardCharsets.US_ASCII));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    /** Reads the members in their order. It is no JSON parser: any other spelling is wrong anyway. */
    private static final class Reader {
        private final String in;
        private int at;
        private boolean bad;

        Reader(String in) {
            this.in = in;
        }

        /** Null when the text is not a payload. */
        Decision decision() {
            take("{\"v\":1,\"d\":");
            String id = text();
            take(",\"kid\":");
            String keyId = text();
            take(",\"m\":");
            String method = text();
            take(",\"p\":");
            String target = text();
            take(",\"b\":");
            String body = text();
            take(",\"a\":");
            String account = text();
            take(",\"u\":");
            String sub = text();
            take(",\"k\":");
            String credential = text();
            take(",\"s\":");
            String scopes = text();
            take(",\"x\":");
            boolean exitOnly = in.startsWith("true", at);
            take(exitOnly ? "true" : "false");
            take(",\"iat\":");
            long issued = number();
            take(",\"exp\":");
            long expires = number();
            take("}");
            if (bad || at != in.length() || expires != issued + LIFE) {
                return null;
            }
            return new Decision(id, keyId, method, target, body, account, sub, credential, scopes, exitOnly, issued);
        }

        private void take(String s) {
            if (in.startsWith(s, at)) {
                at += s.length();
            } else {
                bad = true;
            }
        }

        private String text() {
            take("\"");
            StringBuilder b = new StringBuilder();
            while (!bad && at < in.length()) {
                char c = in.charAt(at++);
                if (c == '"') {
                    return b.toString();
                }
                if (c == '\\' && at < in.length()) {
                    c = in.charAt(at++); // an escape of a third kind comes out otherwise when it is written again
                }
                b.append(c);
            }
            bad = true;
            return "";
        }

        private long number() {
            long n = 0;
            int from = at;
            while (at < in.length() && in.charAt(at) >= '0' && in.charAt(at) <= '9' && at - from < 17) {
                n = n * 10 + in.charAt(at++) - '0';
            }
            bad |= at == from;
            return n;
        }
    }
}
