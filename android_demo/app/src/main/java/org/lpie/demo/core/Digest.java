package org.lpie.demo.core;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** SHA-256 of bytes. */
public final class Digest {
    private Digest() {}

    /** 64 digits, lower case. */
    public static String sha256(byte[] data) {
        try {
            StringBuilder text = new StringBuilder();
            for (byte each : MessageDigest.getInstance("SHA-256").digest(data)) {
                text.append(String.format(java.util.Locale.ROOT, "%02x", each));
            }
            return text.toString();
        } catch (NoSuchAlgorithmException impossible) { // every Java has it
            throw new AssertionError(impossible);
        }
    }
}
