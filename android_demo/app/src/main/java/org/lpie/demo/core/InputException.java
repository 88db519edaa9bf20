package org.lpie.demo.core;

/** Something given that cannot be used; the message is one sentence that says why. */
public final class InputException extends Exception {
    private static final long serialVersionUID = 1;

    public InputException(String sentence) {
        super(sentence);
    }
}
