
# progress.gp: the best so far of every problem of a session, a line each, as progress.sql finds it.
stats data using x_column nooutput
low = STATS_min; high = STATS_max > low ? STATS_max : 2 * low
set xrange [low / 1.05:high * 1.05]
set logscale x
set xlabel x_title
set xtics ()
do for [e = floor(log10(low)):ceil(log10(high))] {
    do for [i = 1:3] {
        value = digits[i] * 10.0 ** e
        if (is_label(digits[i], low, high, 1.7)) { set xtics add (x_text(value) value) }
    }
}
set yrange [0:105]
set ytics 20
set format y '%.0f %%'
set label 2 'best so far, of the final speed' at screen 0.03, screen 0.728 left
eval svg
plot for [i = 1:|series|] data using (strcol('series') eq series[i] ? column(x_column) : NaN):'percent' \
    with steps linewidth 0.8 linecolor rgb palette[i] + 0x40000000 title series[i]
