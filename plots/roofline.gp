# roofline.gp: what roofline.sql finds: a point for each problem, an arrow from its default, the roof above.
stats data using 'intensity' nooutput
set xrange [STATS_min / 1.05:STATS_max * 1.05]
set logscale x 2
set format x '%g'
set xlabel 'operations for each byte'
lower(tuned, default) = default > 0 && default < tuned ? default : tuned
stats data using (lower(column('gflops'), valid(4) ? column(4) : 0)) nooutput
low = STATS_min / 1.4
stats data using 'gflops' nooutput
high = STATS_max * 1.6
set yrange [low:high]
set logscale y
set label 2 'GFLOP/s, more is better' at screen 0.03, screen 0.728 left
set ytics ()
do for [e = floor(log10(low)):ceil(log10(high))] {
    do for [i = 1:3] {
        value = digits[i] * 10.0 ** e
        if (is_label(digits[i], low, high, 2.5)) { set ytics add (sprintf('%g', value) value) }
    }
}
ink(i) = palette[1 + (i - 1) % 6]
mine(i, y) = strcol('series') eq series[i] ? column(y) : NaN
# The first series is the roof; points keep their order after it.
eval svg
plot for [i = 2:|series|] data \
        using (mine(i, 'intensity')):'default_gflops':(0):(column('gflops') - column('default_gflops')) \
        with vectors head filled size screen 0.016, 18 linewidth 0.8 linecolor rgb ink(i - 1) notitle, \
    for [i = 2:|series|] data using (mine(i, 'intensity')):'default_gflops' \
        with points pointtype 6 pointsize 0.5 linewidth 1.3 linecolor rgb ink(i - 1) notitle, \
    for [i = 2:|series|] data using (mine(i, 'intensity')):'gflops' \
        with points pointtype 7 pointsize 0.8 linecolor rgb ink(i - 1) title series[i].', tuned', \
    data using (mine(1, 'intensity')):'gflops' with lines dashtype 2 linewidth 1.4 \
        linecolor rgb palette[7] title series[1]
