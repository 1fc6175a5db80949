
# scaling.gp: what scaling.sql finds over N, both axes logarithmic; kernels solid, ceilings dashed.
stats data using 'n' nooutput
set xrange [STATS_min / 1.12:STATS_max * 1.12]
set logscale x 2
set format x '%.0f'
set xlabel 'N, columns of X'
stats data using y_column nooutput
low = STATS_min / 1.3; high = STATS_max * 1.3
set yrange [low:high]
set logscale y
set label 2 y_title at screen 0.03, screen 0.728 left
set ytics ()
do for [e = floor(log10(low)):ceil(log10(high))] {
    do for [i = 1:3] {
        value = digits[i] * 10.0 ** e
        if (is_label(digits[i], low, high, 2.5)) { set ytics add (y_text(value) value) }
    }
}
eval svg
plot for [i = 1:|series|] data using (strcol('series') eq series[i] ? column('n') : NaN):y_column \
    with linespoints linecolor rgb colour(series[i], i) pointtype shape(series[i]) \
    dashtype dash(series[i]) linewidth thick(series[i]) pointsize size(series[i]) \
    title series[i]
