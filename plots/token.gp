# token.gp: what token.sql finds: a bar for each kind of operation, a colour for each family.
set margins at screen 0.30, screen 0.93, screen 0.225, screen 0.74
stats data using 'bar' nooutput
bars = STATS_max
stats data using 'percent' nooutput
set xrange [0:STATS_max * 1.15]
set yrange [bars + 0.6:0.4]
xtics = STATS_max > 45 ? 20 : 10
set xtics xtics font ',12'
set format x '%.0f %%'
set xlabel 'of the time of a token'
unset grid
set grid xtics linetype 1 linecolor rgb 0xdcdfe3 linewidth 0.5
set border 1
set ytics () scale 0 font ',11'
set key maxrows 2
set style fill solid 0.85 noborder
mine(i) = strcol('series') eq series[i] ? column('percent') / 2 : NaN
eval svg
plot data using 'percent':'bar':ytic(strcol('label')) with dots linecolor rgb invisible notitle, \
    for [i = 1:|series|] data using (mine(i)):'bar':(column('percent') / 2): \
        (0.33) with boxxyerror linecolor rgb palette[1 + (i - 1) % 7] \
        title series[i], \
    data using 'percent':'bar':(text_s(real(sprintf('%.2g', column('time_s'))))) \
        with labels left offset 0.5, 0 font ',10' notitle
