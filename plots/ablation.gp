# ablation.gp: what ablation.sql finds: a bar for each parameter, a mark where it alone was changed.
set margins at screen 0.37, screen 0.955, screen 0.225, screen 0.80
stats data using 'bar' nooutput
bars = STATS_max
# Column 5 is that of what was changed alone.
stats data using (valid(5) && column(5) > column(4) ? column(5) : column(4)) nooutput
set xrange [0:STATS_max > 100 ? STATS_max * 1.03 : 103]
set yrange [bars + 0.6:0.4]
set xtics 25 font ',12'
set format x '%.0f %%'
set xlabel 'speed that is left, of the winner'
unset grid
set grid xtics linetype 1 linecolor rgb 0xdcdfe3 linewidth 0.5
set border 1
set ytics () scale 0 font ',11'
set key maxrows 1
set style fill solid 0.85 noborder
eval svg
plot data using (column('percent') / 2):'bar':(column('percent') / 2):(0.33):ytic(strcol('label')) \
        with boxxyerror linecolor rgb palette[1] title series[1], \
    data using 'alone_percent':'bar' with points pointtype 7 pointsize 0.9 \
        linecolor rgb palette[2] title 'with only this changed'
