package org.lpie.demo.core;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What TFLite logged of a delegate: how many ops it took, in how many parts. */
public final class DelegateLog {
    private static final Pattern REPLACING = Pattern.compile(
            "Replacing (\\d+) (?:out of (\\d+) )?node\\(s\\) with delegate \\(([^)]*)\\) node,"
                    + " yielding (\\d+) partitions");

    /** How many nodes the delegate took; null when the log does not say. */
    public final Integer taken;
    public final Integer partitions;

    private DelegateLog(Integer taken, Integer partitions) {
        this.taken = taken;
        this.partitions = partitions;
    }

    /**
     * What the lines after {@code marker} say of the delegate whose name contains {@code delegate}.
     *
     * <p>A delegate that takes nothing leaves no line: with the marker there, that is 0 nodes.
     */
    public static DelegateLog read(String log, String marker, String delegate) {
        int start = log.lastIndexOf(marker);
        if (start < 0) {
            return new DelegateLog(null, null);
        }
        Matcher found = REPLACING.matcher(log);
        int taken = 0;
        int partitions = 0;
        for (int at = start; found.find(at); at = found.end()) {
            if (found.group(3).contains(delegate)) {
                taken += Integer.parseInt(found.group(1));
                partitions += Integer.parseInt(found.group(4));
            }
        }
        return new DelegateLog(taken, partitions);
    }
}
