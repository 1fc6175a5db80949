# distribution.gp: what distribution.sql finds: bars of configurations, and where the default stands.
set xrange [0:100]
set xtics 20
set format x '%.0f %%'
set xlabel 'speed, of the best seen'
stats data using 'top' nooutput
set yrange [0:STATS_max * 1.08]
top = STATS_max
set ytics autofreq
if (top <= 8) { set ytics 1 }
set margins at screen 0.155, screen 0.93, screen 0.225, screen 0.675
set format y '%.0f'
set label 2 'configurations' at screen 0.03, screen 0.728 left
is_default(s) = s eq 'default'
mine(i, is) = strcol('series') eq series[i] && is_default(series[i]) == is
set style fill solid 0.85 noborder
eval svg
plot for [i = 1:|series|] data using (mine(i, 0) ? column('low') + 2.5 : NaN):(column('top')): \
        (column('low') + 0.3):(column('low') + 4.7):'base':'top' \
        with boxxyerror linecolor rgb palette[i == 2 ? 3 : i == 3 ? 5 : i == 1 ? 1 : i] \
        title is_default(series[i]) ? '' : series[i], \
    for [i = 1:|series|] data using (mine(i, 1) ? column('percent') : NaN):(top * 1.08):(0): \
        (-top * 1.08) with vectors nohead dashtype 2 linewidth 1.7 linecolor rgb palette[2] \
        title is_default(series[i]) ? series[i] : ''
