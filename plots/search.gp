# search.gp: what search.sql finds: strategies as steps, random draws as a dashed curve.
stats data using 'evaluations' nooutput
set xrange [0.95:STATS_max * 1.1]
set logscale x
set xtics ()
do for [e = 0:ceil(log10(STATS_max))] {
    do for [i = 1:3] { set xtics add (sprintf('%g', digits[i] * 10.0 ** e) digits[i] * 10.0 ** e) }
}
set xlabel 'evaluations'
set yrange [0:105]
set ytics 20
set format y '%.0f %%'
set label 2 'best so far, of the best known' at screen 0.03, screen 0.728 left
is_random(s) = s eq 'random draws'
mine(i, is) = strcol('series') eq series[i] && is_random(series[i]) == is ? column('evaluations') : NaN
eval svg
plot for [i = 1:|series|] data using (mine(i, 0)):'percent' with steps linewidth 1.7 \
        linecolor rgb palette[1 + (i - 1) % 6] title is_random(series[i]) ? '' : series[i], \
    for [i = 1:|series|] data using (mine(i, 1)):'percent' with lines dashtype 2 linewidth 1.4 \
        linecolor rgb palette[7] title is_random(series[i]) ? series[i].', expected' : ''
