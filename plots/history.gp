# history.gp: what history.sql finds: a point a run with its interval, the levels as lines.
stats data using 'run' nooutput
set xrange [0.5:STATS_max + 0.5]
set xlabel 'runs of hone bench, old to new'
set xtics () font ',11'
stats data using (valid(4) ? column('low_s') : column('time_s')) nooutput
low = STATS_min / 1.1
stats data using (valid(5) ? column('high_s') : column('time_s')) nooutput
high = STATS_max * 1.1
set yrange [low:high]
set logscale y
set ytics ()
do for [e = floor(log10(low)):ceil(log10(high))] {
    do for [i = 1:3] {
        value = digits[i] * 10.0 ** e
        if (is_label(digits[i], low, high, 2.5)) { set ytics add (text_s(value) value) }
    }
}
set label 2 'time, less is better' at screen 0.03, screen 0.728 left
mine(i, y) = strcol('series') eq series[i] ? column(y) : NaN
eval svg
plot data using 'run':'time_s':xtic(strcol('day_label')) \
        with dots linecolor rgb invisible notitle, \
    for [i = 1:|series|] data using (mine(i, 'run')):'time_s':'low_s':'high_s' \
        with yerrorbars linewidth 0.6 pointtype 0 linecolor rgb colour(series[i], i) notitle, \
    for [i = 1:|series|] data using (mine(i, 'run')):'time_s' \
        with points pointtype shape(series[i]) pointsize 0.7 linecolor rgb colour(series[i], i) \
        title series[i], \
    for [i = 1:|series|] data using (mine(i, 'run')):'level_s' with steps linewidth 1.2 \
        dashtype 2 linecolor rgb colour(series[i], i) notitle
