package org.lpie.demo.core;

import java.util.Locale;

/** Where a model is to run; the names are those of lpie's records. */
public enum Delegate {
    CPU("none"), XNNPACK("XNNPack"), GPU("Gpu"), NNAPI("NnApi");

    /** Part of what TFLite calls it in its log. */
    public final String logged;

    Delegate(String logged) {
        this.logged = logged;
    }

    /** The one that a record calls {@code name}. */
    public static Delegate named(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    public String recordName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
