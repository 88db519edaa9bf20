package org.lpie.demo.core;

import java.util.ArrayList;
import java.util.List;

/** What became of the wish to run on a delegate; null numbers are not known. */
public final class Executed {
    public Delegate delegate;
    public int nodesTotal;
    public Integer nodesDelegated;
    public Integer partitions;
    /** Why a delegate was given up, one sentence each. */
    public final List<String> reasons = new ArrayList<>();
    public double initMs;

    /** Whether the delegate took the whole graph; null when that is not known. */
    public Boolean isFull() {
        return nodesDelegated == null ? null : (Boolean) (nodesDelegated >= nodesTotal);
    }
}
