# pareto.gp: what pareto.sql finds; the axis of time is logarithmic, that of the error where it is long.
stats data using 'time_s' nooutput
low = STATS_min / 1.15; high = STATS_max * 1.15
set xrange [low:high]
set logscale x
set xlabel 'time, less is better'
set xtics ()
do for [e = floor(log10(low)):ceil(log10(high))] {
    do for [i = 1:3] {
        value = digits[i] * 10.0 ** e
        if (is_label(digits[i], low, high, 1.7)) { set xtics add (text_s(value) value) }
    }
}
stats data using 'error' nooutput
low = STATS_min / 1.3; high = STATS_max * 1.3
set yrange [low:high]
set format y '%.1e'
set ytics autofreq font ',12'
if (high / low > 10) {
    set logscale y
    set ytics ()
    do for [e = floor(log10(low)):ceil(log10(high))] {
        do for [i = 1:3] {
            value = digits[i] * 10.0 ** e
            if (is_label(digits[i], low, high, 2.5)) { set ytics add (sprintf('%.0e', value) value) }
        }
    }
}
set margins at screen 0.175, screen 0.93, screen 0.225, screen 0.675
set label 2 'root mean square error, relative; less is better' at screen 0.03, screen 0.728 left
is_front(s) = s eq 'front'
mine(i, is) = strcol('series') eq series[i] && is_front(series[i]) == is ? column('time_s') : NaN
eval svg
plot for [i = 1:|series|] data using (mine(i, 1)):'error' with steps linewidth 1.4 \
        linecolor rgb palette[7] title is_front(series[i]) ? 'nothing beats these' : '', \
    for [i = 1:|series|] data using (mine(i, 0)):'error' with points pointtype 4 + 2 * i + 1 \
        pointsize 0.6 linecolor rgb palette[1 + (i - 1) % 6] \
        title is_front(series[i]) ? '' : series[i]
